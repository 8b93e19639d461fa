"""The server under test: a client of it, its process, and what it says it has."""
