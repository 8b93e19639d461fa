"""What the whole server stands on: leaves that every room may import."""
