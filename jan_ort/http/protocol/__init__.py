"""hypercorn's protocol layer with what it lacks against hostile or many clients, one file a remedy (hops 1 and 9)."""
