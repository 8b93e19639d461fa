"""A chat in the terminal, with a server or with the app in this process."""
