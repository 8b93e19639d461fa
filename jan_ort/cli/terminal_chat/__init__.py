"""A chat in the terminal, with a server elsewhere or one in this process."""
