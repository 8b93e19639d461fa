"""A group of commands that imports each one's module only when it is called."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import click

from jan_ort.ground.shown_text import log_as

VERBOSE_HELP = "Log more, in longer lines: tracebacks, what each step does, and which logger says it."


def is_verbose() -> bool:
    """Say whether -v stands before the command that runs, or after it."""
    return bool(click.get_current_context().find_root().params.get("verbose"))


def _log_more(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    if given:
        ctx.find_root().params["verbose"] = True
        log_as("debug", in_json=False)


_VERBOSE = click.Option(["-v", "--verbose"], is_flag=True, expose_value=False, callback=_log_more, help=VERBOSE_HELP)
"""What every command takes: -v works after it as it does before."""


class LazyGroup(click.Group):
    """A click group over ``places``: by command name, the "module:attribute" that it is and its line in the help.

    One command that is slow or broken to import thus costs the others nothing. ``others`` are what other programs call
    some of them.
    """

    def __init__(
        self,
        *args: Any,
        places: Mapping[str, tuple[str, str]],
        others: Mapping[str, str] = MappingProxyType({}),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._places = places
        self._others = others

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant and what is left of the arguments. Raises: UsageError."""
        name, *rest = args
        meant = self._others.get(name, name)
        if meant not in self._places and not name.startswith("-"):
            close = difflib.get_close_matches(name, self._places, n=1)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {close[0]!r}?" if close else ""))
        return super().resolve_command(ctx, [meant, *rest])

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of this name."""
        if cmd_name not in self._places:
            return None
        module, _, attribute = self._places[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command), f"{module}:{attribute} is not a command"
        for each in (command, *getattr(command, "commands", {}).values()):
            if _VERBOSE not in each.params:
                each.params.append(_VERBOSE)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._places.items()])
