"""Decoders that concatenate their cache, rewritten so that their sequences run together, where that is proven equal."""
