"""The ONNX graphs that conversion writes."""
