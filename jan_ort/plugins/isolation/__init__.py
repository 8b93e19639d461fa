"""A session in a process of its own, which may crash alone: shared memory for logits, pipes for the rest (hop 6)."""
