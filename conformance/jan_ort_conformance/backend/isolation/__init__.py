"""Child processes, in which a backend's code can harm nothing here."""
