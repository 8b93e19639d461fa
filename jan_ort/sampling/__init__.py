"""From logits to one token per sequence (hop 7)."""
