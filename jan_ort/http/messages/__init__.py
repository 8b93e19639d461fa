"""Anthropic's Messages API: one reading of its bodies, and one way to write answers, over the same plan as a chat."""
