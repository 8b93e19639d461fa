"""The sessions of loaded graphs: a step becomes runs of ONNX Runtime (hop 6)."""
