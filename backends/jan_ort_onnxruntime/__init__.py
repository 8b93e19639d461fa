"""The default backend: ONNX Runtime (hop 6). Importing this package does not import onnxruntime."""

from jan_ort_onnxruntime.descriptor import OnnxRuntimeBackend

backend = OnnxRuntimeBackend()

__all__ = ["OnnxRuntimeBackend", "backend"]
