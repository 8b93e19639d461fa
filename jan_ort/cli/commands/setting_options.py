"""Flags for settings: each with the name, type and description that the schema gives, so that there is one schema."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, get_args, get_origin

import click

from jan_ort.settings.schema import Settings

Command = Callable[..., None]

CLIENT_KEY = MappingProxyType(
    {"api_key": "Key to send to the server at URL; set the variable, for every user can see a flag."}
)
"""What --api-key is to a command that asks a server."""


def setting_options(
    names: Collection[str] | None = None, described: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Command], Command]:
    """Return a decorator that adds one flag for each setting, or for the ones named; one not given is None.

    ``described`` says what those mean that mean something else to this command than to the server.
    """

    def decorate(command: Command) -> Command:
        for name, field in reversed(Settings.model_fields.items()):
            if names is None or name in names:
                description = described.get(name, field.description or "")
                command = _option(name, field.annotation, description)(command)
        return command

    return decorate


def _option(name: str, annotation: Any, description: str) -> Callable[[Command], Command]:
    flag = f"--{name.replace('_', '-')}"
    help_text = f"{description} [env: JAN_ORT_{name.upper()}]"
    if annotation is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=help_text)
    if _is_list(annotation):
        return click.option(flag, name, multiple=True, callback=_none_if_empty, metavar="VALUE", help=help_text)
    return click.option(flag, name, default=None, metavar=_metavar(annotation), help=help_text)


def _is_list(annotation: Any) -> bool:
    kinds = (annotation, *get_args(annotation))
    return any((get_origin(kind) or kind) in (list, tuple) for kind in kinds)


def _none_if_empty(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...] | None:
    return values or None


def _metavar(annotation: Any) -> str:
    """Return how a value of this type is shown in the help."""
    choices = [choice for choice in get_args(annotation) if isinstance(choice, str)]
    if choices:
        return "|".join(choices)
    return "N" if int in (annotation, *get_args(annotation)) else "VALUE"
