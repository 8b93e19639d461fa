"""JSON schemas, checked strictly and written in the matcher's language."""
