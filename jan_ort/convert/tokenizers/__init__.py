"""Tokenizers of GGUF files, one kind a file."""
