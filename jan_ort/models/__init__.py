"""Models: what a folder holds, where models come from, what is kept of them, and their tokenizers."""
