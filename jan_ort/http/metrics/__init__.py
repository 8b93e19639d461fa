"""What Prometheus scrapes: vLLM's names where they mean the same, and jan_ort's own beside them."""
