"""The cache of made models: making each once, its checksums, what it holds, and who uses it."""
