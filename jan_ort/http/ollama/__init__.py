"""Ollama's API: one reading of its bodies, and one way to write its lines, over the same plan as a chat."""
