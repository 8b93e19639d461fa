"""``python -m jan_ort`` is ``jan-ort``."""

from jan_ort.cli.program import main

main()
