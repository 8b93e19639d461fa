"""One handler per operation of the document (hops 3 and 9)."""
