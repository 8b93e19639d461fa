"""``jan-ort backends``: every installed backend plugin, usable or not, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.plugin_output import kept_apart
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.cli.saying import say
from jan_ort.cli.text_table import text_table
from jan_ort.ground.shown_text import shown
from jan_ort.plugins.choice import BACKEND_LISTS, find_backends
from jan_ort.plugins.report import BackendReport, report_backend
from jan_ort.settings.schema import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with the traceback of a plugin that is broken.")
@setting_options((*BACKEND_LISTS, "config"))
def backends(*, as_json: bool, **flags: Any) -> None:
    """List the installed backends: distribution, version, capabilities, and why one cannot be used."""
    with reported():
        settings = Settings.read_only(BACKEND_LISTS, **flags)
    with kept_apart() as stdout:
        reports = [report_backend(each) for each in find_backends(settings)]
        say(json.dumps([asdict(each) for each in reports], indent=2) if as_json else _text(reports), stdout)


def _text(reports: Sequence[BackendReport]) -> str:
    rows = [
        (each.name, " ".join(filter(None, (each.distribution, each.version))) or "-", _usable(each), _abilities(each))
        for each in reports
    ]
    lines = [text_table(("backend", "distribution", "usable", "capabilities"), rows)]
    lines += [
        f"\n{shown(each.name)} cannot be used: {shown(each.reason)}\n  remedy: {shown(each.remedy)}"
        for each in reports
        if not each.usable
    ]
    return "\n".join(lines)


def _usable(report: BackendReport) -> str:
    return "yes" if report.usable else "no"


def _abilities(report: BackendReport) -> str:
    return ", ".join(report.capabilities) or "-"
