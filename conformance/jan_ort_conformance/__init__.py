"""The kit that judges any server with this API, and any backend plugin."""
