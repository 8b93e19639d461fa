"""Pages for a browser: files that hold no data, and what only they ask of the server."""
