"""The llama.cpp backend: GGUF files as they are; nothing of llama.cpp is imported before a model is opened."""

from jan_ort_llama_cpp.descriptor import LlamaCppBackend

__all__ = ["LlamaCppBackend", "backend"]

backend = LlamaCppBackend()
