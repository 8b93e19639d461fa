"""Execution providers: which there are, which of them works for a graph, and what their errors mean."""
