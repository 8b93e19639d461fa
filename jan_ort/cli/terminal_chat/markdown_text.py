"""A model's markdown on a terminal: what is formatted, which blocks of a growing text are complete, and its last lines.

The one file that knows how rich and markdown-it make it.
"""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markdown import Markdown
from rich.segment import Segment

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
"""Without HTML: a tag is shown as text."""


def markdown(text: str) -> Markdown:
    """Return the formatted text: lines end where the model ended them, and an address stands behind its link."""
    formatted = Markdown("", code_theme="ansi_dark", hyperlinks=False)
    formatted.markup, formatted.parsed = text, _PARSER.parse(text)
    for token in formatted.parsed:
        _keep_line_ends(token)
    return formatted


def _keep_line_ends(token: Token) -> None:
    for child in token.children or ():
        if child.type == "softbreak":
            child.type = "hardbreak"


def complete_blocks(text: str) -> tuple[str, str]:
    """Return the blocks to which nothing can be added any more, and the last one, which may grow."""
    starts = [token.map[0] for token in _PARSER.parse(text) if token.level == 0 and token.map is not None]
    if len(starts) < 2:
        return "", text
    lines = text.split("\n")
    return "\n".join(lines[: starts[-1]]), "\n".join(lines[starts[-1] :])


class Tail:
    """The last lines of what is too high for the terminal, so that what comes is seen."""

    def __init__(self, whole: RenderableType) -> None:
        self._whole = whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._whole, options.update(height=None), pad=False)
        for line in lines[-max(1, console.height - 2) :]:
            yield from line
            yield Segment.line()
