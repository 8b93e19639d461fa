"""What the commands of both kits share: options, the line of each case, reports and exit statuses."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.markup import escape

from jan_ort_conformance.reports import print_changes, print_summary, write_reports
from jan_ort_conformance.reports.terminal import STYLES
from jan_ort_conformance.verdicts.results import Case, Results
from jan_ort_conformance.verdicts.skips import SkipFileError, Skips, read_skips
from jan_ort_conformance.verdicts.verdict import Level

EXIT_NOT_RUN = 3
"""There is no such server, backend or model: nothing was judged."""
EXIT_INTERRUPTED = 130
"""Ctrl-C ended the run; the reports are of what was judged until then."""

_REASON_CHARACTERS = 300
"""Of what was seen, beside a case that fails as it happens; the summary has more of it."""

Command = TypeVar("Command", bound=Callable[..., Any])


def _skips(ctx: click.Context, param: click.Parameter, path: Path | None) -> Skips:
    if path is None:
        return Skips()
    try:
        return read_skips(path, datetime.now(UTC).date())
    except SkipFileError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _earlier(ctx: click.Context, param: click.Parameter, path: Path | None) -> Results | None:
    return None if path is None else read_results(path, ctx, param)


def read_results(path: Path, ctx: click.Context, param: click.Parameter) -> Results:
    """Return the run that a results.json holds. Raises: click.BadParameter."""
    try:
        return Results.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise click.BadParameter(f"{path} is not a results.json of this kit: {error!r}", ctx, param) from error


def _folder(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Make the folder now: a run takes minutes, after which its reports should not be lost."""
    try:
        if path is not None:
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be made: {error.strerror}", ctx, param) from error
    return path


_OPTIONS = [
    click.option(
        "--output",
        type=click.Path(path_type=Path, file_okay=False, writable=True),
        callback=_folder,
        help="Folder for the reports.",
    ),
    click.option(
        "--level",
        type=click.Choice([each.value for each in Level]),
        default="full",
        show_default=True,
        help="How much is required.",
    ),
    click.option(
        "--compare",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        callback=_earlier,
        help="An earlier run's results.json: show what has changed since.",
    ),
    click.option("--only", multiple=True, metavar="GLOB", help="Only the cases whose id matches; may be repeated."),
    click.option(
        "--skip-file",
        "skips",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        callback=_skips,
        help="Known issues, TOML.",
    ),
]


def judging(command: Command) -> Command:
    """Add the options of every judging command: --output, --level, --only, --compare and --skip-file (as ``skips``)."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def tell_case(console: Console) -> Callable[[Case], None]:
    """Return what prints a case as soon as it is judged."""

    def tell(case: Case) -> None:
        style, took = STYLES[case.verdict], f"[dim]{case.duration_s:.2f} s[/]"
        console.print(f"[{style}]{case.verdict:<11}[/] {escape(case.id)} {took}", highlight=False)
        if case.verdict.is_bad:
            reason = textwrap.shorten(case.detail, _REASON_CHARACTERS, placeholder=" …")
            console.print(f"            {escape(reason)}", style="dim", soft_wrap=True, highlight=False)

    return tell


def report(results: Results, output: Path | None, console: Console, compare: Results | None = None) -> NoReturn:
    """Print the summary, write the reports if a folder is given, and exit by what the run came to."""
    print_summary(results, console)
    if compare is not None:
        print_changes(compare, results, console)
    if output is not None:
        for path in write_reports(results, output):
            console.print(f"[dim]wrote {escape(str(path))}[/]", soft_wrap=True)
    raise SystemExit(EXIT_INTERRUPTED if results.is_interrupted else results.exit_status)


def exit_not_run(error: Exception, console: Console) -> NoReturn:
    """Say why nothing was judged, and exit with the status of that."""
    console.print(f"[bold red]{escape(str(error))}[/]", soft_wrap=True, highlight=False)
    raise SystemExit(EXIT_NOT_RUN)
