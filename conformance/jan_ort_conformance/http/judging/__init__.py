"""The run of the HTTP kit: each check judged, against a server that may die or hang."""
