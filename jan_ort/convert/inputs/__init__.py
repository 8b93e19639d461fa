"""Model files as they come: GGUF and safetensors, read and checked."""

from __future__ import annotations

GGUF_MAGIC = b"GGUF"
"""The first bytes of a GGUF file."""
