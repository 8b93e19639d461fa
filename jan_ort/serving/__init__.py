"""The models that are served: which there are, loading and unloading them, and lending them to requests."""
