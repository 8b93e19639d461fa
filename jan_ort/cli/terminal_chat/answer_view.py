"""Where an answer is shown as it comes: as it is, for a pipe or a file, or as formatted text on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import click

from jan_ort.cli.saying import say
from jan_ort.cli.terminal_chat.safe_text import safe

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_REFRESH_HZ = 10


class AnswerView(Protocol):
    """Shows one answer; leaving the block ends it, whole or not."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def thought(self, text: str) -> None:
        """Show what the model thinks before it answers."""
        ...

    def text(self, text: str) -> None:
        """Show the next part of the answer."""
        ...


class PlainView:
    """Writes the answer to standard output as it is, and thoughts apart from it, which may be piped elsewhere."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        say()

    def thought(self, text: str) -> None:
        """Write a thought, dimmed, to standard error."""
        click.echo(click.style(safe(text), dim=True), nl=False, err=True)

    def text(self, text: str) -> None:
        """Write a part of the answer to standard output."""
        click.echo(safe(text), nl=False)


class TerminalView:
    """Formats markdown as it comes: blocks that are complete stay, the last one is drawn anew as it grows.

    Lines end between words. A thought is folded into one line that says how long it was.
    """

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._console = console
        self._open, self._num_thought_words = "", 0
        self._began = time.monotonic()
        self._live = Live(console=console, get_renderable=self._drawn, refresh_per_second=_REFRESH_HZ, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *ended: object) -> None:
        from jan_ort.cli.terminal_chat.markdown_text import markdown

        self._live.stop()
        self._fold_thought()
        if self._open.strip():
            self._console.print(markdown(self._open))

    def thought(self, text: str) -> None:
        """Count a thought's words."""
        self._num_thought_words += len(text.split())

    def text(self, text: str) -> None:
        """Draw the answer as far as it has come."""
        from jan_ort.cli.terminal_chat.markdown_text import complete_blocks, markdown

        self._fold_thought()
        self._open += safe(text)
        if "\n" not in text:
            return
        complete, self._open = complete_blocks(self._open)
        if complete.strip():
            self._console.print(markdown(complete))
            self._console.print()

    def _fold_thought(self) -> None:
        if self._num_thought_words:
            seconds = time.monotonic() - self._began
            self._console.print(f"Thought for {seconds:.0f} s, {self._num_thought_words} words", style="dim")
            self._num_thought_words = 0

    def _drawn(self) -> RenderableType:
        from rich.text import Text

        from jan_ort.cli.terminal_chat.markdown_text import Tail, markdown

        if self._num_thought_words:
            return Text(f"Thinking… {self._num_thought_words} words", style="dim")
        return Tail(markdown(self._open)) if self._open.strip() else Text("…", style="dim")


def view_for_output() -> Callable[[], AnswerView]:
    """Return what makes views: formatted ones if standard output is a terminal that can redraw a line."""
    if not sys.stdout.isatty():
        return PlainView
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    return lambda: TerminalView(console)
