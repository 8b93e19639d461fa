"""Text held to a grammar or a JSON schema: which token ids may come next (hop 7)."""
