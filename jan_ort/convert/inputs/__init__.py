"""Model files as they come: GGUF and safetensors, read and checked."""
