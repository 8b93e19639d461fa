"""The doctor: what is installed, what works, what is configured, and whether a server could start."""
