"""The engine: one thread that turns waiting sequences into tokens (hops 4 to 9)."""
