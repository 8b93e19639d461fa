"""``jan-ort config show``: each setting that is in force, and where it comes from."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.cli.saying import say
from jan_ort.cli.text_table import text_table


@click.group()
def config() -> None:
    """Show the settings: flags win over variables, and variables over files."""


@config.command(short_help="Show each setting as `serve` would have it.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON: a list of name, value and origin.")
@setting_options()
def show(*, as_json: bool, **flags: Any) -> None:
    """Show each setting as `serve` with the same flags would have it; a key stays hidden."""
    from jan_ort.settings.in_force import settings_in_force

    with reported():
        settings = settings_in_force(**flags)
    if as_json:
        say(json.dumps([asdict(setting) for setting in settings], indent=2))
        return
    rows = [(setting.name, _shown(setting.value), setting.origin) for setting in settings]
    say(text_table(("setting", "value", "from"), rows))


def _shown(value: object) -> str:
    """Return a value as a settings file would have it; nothing for one that is not set."""
    if value is None:
        return "-"
    return json.dumps(value) if isinstance(value, (bool, list)) else str(value)
