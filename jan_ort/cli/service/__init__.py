"""The server as a service of the system: what is written and run for it, one file a kind of system."""
