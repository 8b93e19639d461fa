"""Pictures that a request brings: where their bytes come from, and their pixels (hop 3)."""
