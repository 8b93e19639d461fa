"""How each family of models writes calls: a file each, whose format is found because it is here (hops 3 and 9)."""
