"""Rows of text in columns that line up, at any width of the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from jan_ort.ground.shown_text import shown


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the lines of a table; the last column is not padded, so that nothing is cut.

    A cell holds what is shown of its text, so that none passes for another row.
    """
    rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in (header, *rows)) for at in range(len(header) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in (header, *rows)
    )
