"""Architectures that can be converted, one a file."""
