"""From the engine's events to an answer, whole or streamed (hop 9)."""
