"""What an ONNX model folder says about itself, read without loading it."""
