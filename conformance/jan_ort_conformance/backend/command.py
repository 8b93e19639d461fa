"""The command ``jan-ort-conformance backend``: judge a backend plugin and write the reports."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from jan_ort_backends import BackendError
from jan_ort_conformance.backend.runner import TIME_LIMIT_S, run_backend
from jan_ort_conformance.backend.subject import Subject, Tolerances
from jan_ort_conformance.reports import print_summary, write_reports
from jan_ort_conformance.reports.terminal import STYLES
from jan_ort_conformance.results import Case, Level
from jan_ort_conformance.skips import SkipFileError, Skips, read_skips

EXIT_NOT_RUN = 3
"""There is no such backend or model: nothing was judged."""

_EXACT = Tolerances()


@click.command("backend")
@click.argument("name")
@click.option("--model", type=click.Path(path_type=Path, file_okay=False), help="Model folder; else its built-in one.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for the reports.")
@click.option(
    "--level",
    type=click.Choice([each.value for each in Level]),
    default="full",
    show_default=True,
    help="How much is asked.",
)
@click.option("--only", multiple=True, metavar="GLOB", help="Only the cases whose id matches; may be repeated.")
@click.option("--extra", multiple=True, metavar="NAME=VALUE", help="An option of the backend's own; may be repeated.")
@click.option("--skip-file", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Known issues, TOML.")
@click.option(
    "--time-limit",
    type=click.FloatRange(1),
    default=TIME_LIMIT_S,
    show_default=True,
    help="Seconds for one case.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cases at once, each in a process.")
@click.option("--in-process", is_flag=True, help="All cases in this process: quicker, but a crash ends the run.")
@click.option(
    "--same-kind-tolerance",
    type=click.FloatRange(0),
    default=_EXACT.same_kind,
    show_default=True,
    help="Allowed difference of logits that come from like steps, as a fraction of a row's range; 0: to the bit.",
)
@click.option(
    "--other-kind-tolerance",
    type=click.FloatRange(0),
    default=_EXACT.other_kind,
    show_default=True,
    help="The same for a prompt at once against token by token.",
)
def backend_command(name: str, output: Path | None, **options: object) -> None:
    """Judge the backend NAME, as it is registered; or module:attribute. Exit status 0: no FAIL and no LIES."""
    console = Console()
    try:
        subject = _subject(name, **options)  # type: ignore[arg-type]
    except BackendError as error:
        console.print(f"[bold red]{error}[/]", soft_wrap=True)
        sys.exit(EXIT_NOT_RUN)
    try:
        results = run_backend(
            subject,
            level=Level(str(options["level"])),
            only=options["only"],  # type: ignore[arg-type]
            skips=_skips(options["skip_file"]),  # type: ignore[arg-type]
            time_limit_s=None if options["in_process"] else options["time_limit"],  # type: ignore[arg-type]
            num_jobs=options["jobs"],  # type: ignore[arg-type]
            tell=lambda case: _tell(console, case),
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--only") from error
    print_summary(results, console)
    if output is not None:
        for path in write_reports(results, output):
            console.print(f"[dim]wrote {path}[/]", soft_wrap=True)
    sys.exit(results.exit_status)


def _subject(
    name: str,
    model: Path | None,
    extra: tuple[str, ...],
    same_kind_tolerance: float,
    other_kind_tolerance: float,
    **_: object,
) -> Subject:
    pairs = dict(pair.partition("=")[::2] for pair in extra)
    tolerances = Tolerances(same_kind=same_kind_tolerance, other_kind=other_kind_tolerance)
    return Subject.load(name, model, extra=pairs, tolerances=tolerances)


def _skips(path: Path | None) -> Skips:
    if path is None:
        return Skips()
    try:
        return read_skips(path, datetime.now(UTC).date())
    except SkipFileError as error:
        raise click.BadParameter(str(error), param_hint="--skip-file") from error


def _tell(console: Console, case: Case) -> None:
    console.print(
        f"[{STYLES[case.verdict]}]{case.verdict:<11}[/] {case.id} [dim]{case.duration_s:.2f} s[/]", highlight=False
    )
