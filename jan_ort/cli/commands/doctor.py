"""``jan-ort doctor``: what is installed, what works, and whether a server could start."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import click

from jan_ort.cli.commands.plugin_output import kept_apart
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.cli.saying import say


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write the report as JSON.")
@click.option("--quick", is_flag=True, help="Open no model: faster, and less sure.")
@setting_options()
def doctor(*, as_json: bool, quick: bool, **flags: Any) -> None:
    """Examine versions, backends, providers, models and settings; the exit status is 0 if a server could start."""
    from jan_ort.cli.doctor.examination import examine_all
    from jan_ort.cli.doctor.rendering import render

    with kept_apart() as stdout:
        report = examine_all(flags, quick=quick)
        answer = {"can_start": report.can_start, **asdict(report)} if as_json else None
        say(render(report) if answer is None else json.dumps(answer, indent=2), stdout)
    sys.exit(0 if report.can_start else 1)
