"""The command line: commands, the doctor, and chat in the terminal."""
