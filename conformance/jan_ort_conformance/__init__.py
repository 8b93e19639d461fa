"""The kit that judges any server with this API, and any backend plugin."""

__version__ = "0.1.0.dev0"
