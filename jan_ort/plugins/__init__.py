"""The host of backend plugins: what the server asks them, within which time, and the guard around a session (hop 6)."""
