"""How much blank space JSON output may hold."""

WHITESPACE = r"\x20|\r?\n(\x20{0,20}|\t{0,10})"
"""Between two tokens of JSON: nothing, one space, or one line break with its indentation. It cannot run away."""
