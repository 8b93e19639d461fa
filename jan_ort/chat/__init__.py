"""From a conversation to a prompt (hop 3), and from an answer to thoughts, calls and content (hop 9)."""
