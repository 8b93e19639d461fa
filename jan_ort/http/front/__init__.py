"""What stands before the app: spellings of paths, browsers' questions, a request's own id (hop 1)."""
