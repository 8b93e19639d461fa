"""The HTTP kit: checks by theme, in modules whose names begin with ``checks_``; the registry imports them all."""
