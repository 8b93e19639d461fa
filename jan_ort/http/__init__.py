"""HTTP: the app, its edge, and what each operation reads and answers."""
