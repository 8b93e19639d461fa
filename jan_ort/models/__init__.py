"""Models: what a folder holds, where models come from, how they are converted, and their tokenizers."""
