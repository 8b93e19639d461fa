"""From a body and a model to what is generated: everything that can be a 400 (hop 3)."""
