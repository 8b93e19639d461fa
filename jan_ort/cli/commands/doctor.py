"""``jan-ort doctor``: what is installed, what works, and whether a server could start."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.plugin_output import kept_apart
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.cli.saying import say
from jan_ort.plugins.asking import PluginFault

if TYPE_CHECKING:
    from jan_ort.cli.doctor.report import DoctorReport

_DEFAULT_FILE = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write the report as JSON.")
@click.option("--quick", is_flag=True, help="Skip opening models (faster, less thorough).")
@click.option(
    "--bundle",
    is_flag=False,
    flag_value=_DEFAULT_FILE,
    metavar="[FILE]",
    help="Also write one file for a bug report: the report, the last log and the last requests that failed, without "
    "secrets; its contents are listed first.",
)
@click.option(
    "--include-prompts", is_flag=True, help="Keep the texts of requests in the bundle, if the server recorded them."
)
@click.option(
    "--install-providers",
    is_flag=True,
    help="First have the operating system install the execution providers that it offers (Windows 11 24H2).",
)
@setting_options()
def doctor(
    *, as_json: bool, quick: bool, bundle: str | None, include_prompts: bool, install_providers: bool, **flags: Any
) -> None:
    """Examine versions, backends, devices, models and settings; the exit status is 0 if a server could start."""
    from jan_ort.cli.doctor.examination import examine_all
    from jan_ort.cli.doctor.rendering import render

    if include_prompts and bundle is None:
        raise click.UsageError("--include-prompts is for --bundle")
    with kept_apart() as stdout:
        is_done = _install(flags) if install_providers else True
        report = examine_all(flags, quick=quick)
        answer = {"can_start": report.can_start, **asdict(report)} if as_json else None
        say(render(report) if answer is None else json.dumps(answer, indent=2), stdout)
    if bundle is not None:
        _bundle(report, flags, bundle, with_prompts=include_prompts)
    sys.exit(0 if report.can_start and is_done else 1)


def _install(flags: Mapping[str, Any]) -> bool:
    """Have every backend install what it can, say what became of it, and return whether all of it is installed."""
    from jan_ort.plugins.asking import install_providers as ask
    from jan_ort.plugins.choice import BACKEND_LISTS, find_backends
    from jan_ort.settings.schema import Settings

    with reported():
        discovered = find_backends(Settings.read_only(BACKEND_LISTS, **flags))
    try:
        results = [result for each in discovered if each.backend for result in ask(each.backend)]
    except PluginFault as fault:
        raise click.ClickException(f"the providers were not installed: {fault}") from fault
    for result in results:
        say(f"{result.name}: {'installed' if result.installed else 'NOT installed'}, {result.detail}", err=True)
    return all(result.installed for result in results)


def is_terminal() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def _bundle(report: DoctorReport, flags: Mapping[str, Any], file: str, *, with_prompts: bool) -> None:
    """Show what the bundle holds, and write it; in a terminal the user is asked first."""
    from jan_ort.cli.doctor.bundle import bundle_parts, default_bundle, missing, write_bundle

    try:
        path = default_bundle() if file == _DEFAULT_FILE else Path(file).expanduser()
    except RuntimeError as error:  # of a user who is unknown here
        raise click.ClickException(f"{file} cannot be written: {error} Name another file") from error
    parts = bundle_parts(report, flags, with_prompts=with_prompts)
    say(f"\n{path} will hold:", err=True)
    for part in parts:
        say(f"  {part.name}: {part.about} ({len(part.text)} characters)", err=True)
    for line in missing(parts, flags):
        say(f"  {line}", err=True)
    if is_terminal() and not click.confirm("Write it?", default=True, err=True):
        return
    try:
        write_bundle(path, parts)
    except FileExistsError as error:
        raise click.ClickException(f"{path} exists; name another file") from error
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}; name another file") from error
    say(f"written: {path}; look through it before you send it", err=True)
