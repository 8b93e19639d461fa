"""What a command says: lines in which text of a model, a hub, a plugin or a server steers no terminal."""

from __future__ import annotations

import sys
from typing import TextIO

import click

from jan_ort.ground.shown_text import shown


def say(text: str = "", file: TextIO | None = None, *, err: bool = False) -> None:
    """Write lines to stdout, ``file`` or stderr; they may be long, and a tab is one."""
    lines = text.replace("\t", "    ").split("\n")
    click.echo("\n".join(shown(line, sys.maxsize) for line in lines), file, err=err)
