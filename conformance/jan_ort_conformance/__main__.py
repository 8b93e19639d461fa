"""``python -m jan_ort_conformance``: the same as the command ``jan-ort-conformance``."""

from jan_ort_conformance.cli import main

main()
