"""From a conversation to a prompt (hop 3)."""
