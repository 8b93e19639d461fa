"""The command ``jan-ort-conformance backend``: judge a backend plugin and write the reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from jan_ort_backends import BackendError, ModelError
from jan_ort_conformance.backend.checks import select
from jan_ort_conformance.backend.isolation.described_backend import load_aside
from jan_ort_conformance.backend.judging.backend_run import TIME_LIMIT_S, run_backend
from jan_ort_conformance.backend.subject import Subject, Tolerances
from jan_ort_conformance.cli.judging_options import exit_not_run, judging, report, tell_case
from jan_ort_conformance.verdicts.selection import PatternError
from jan_ort_conformance.verdicts.skips import Skips
from jan_ort_conformance.verdicts.verdict import Level

_EXACT = Tolerances()


@click.command("backend")
@click.argument("name")
@judging
@click.option(
    "--model",
    type=click.Path(path_type=Path, file_okay=False),
    help="Model folder; by default the backend's built-in model.",
)
@click.option("--extra", multiple=True, metavar="NAME=VALUE", help="Option of the backend; may be repeated.")
@click.option(
    "--time-limit",
    type=click.FloatRange(1),
    default=TIME_LIMIT_S,
    show_default=True,
    help="Time limit for one case, in seconds.",
)
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cases in parallel, each in its own process."
)
@click.option("--in-process", is_flag=True, help="Run all cases in this process: faster, but a crash ends the run.")
@click.option(
    "--same-kind-tolerance",
    type=click.FloatRange(0),
    default=_EXACT.same_kind,
    show_default=True,
    help="Allowed difference of logits between steps of the same kind, as a fraction of a row's range; 0: equal bits.",
)
@click.option(
    "--other-kind-tolerance",
    type=click.FloatRange(0),
    default=_EXACT.other_kind,
    show_default=True,
    help="The same between a prompt at once and token by token.",
)
def backend_command(name: str, output: Path | None, skips: Skips, **options: Any) -> None:
    """Judge the backend NAME, as it is registered; or module:attribute. Exit status 0: no FAIL and no LIES."""
    console = Console()
    level, only, compare = Level(options.pop("level")), options.pop("only"), options.pop("compare")
    try:
        select(level, only)  # before any code of the backend runs
        subject = _subject(name, **options)
    except PatternError as error:
        raise click.BadParameter(str(error), param_hint="--only") from error
    except BackendError as error:
        exit_not_run(error, console)
    try:
        results = run_backend(
            subject,
            level=level,
            only=only,
            skips=skips,
            time_limit_s=None if options["in_process"] else options["time_limit"],
            num_jobs=options["jobs"],
            tell=tell_case(console),
        )
    except ModelError as error:
        exit_not_run(error, console)
    report(results, output, console, compare)


def _subject(
    name: str,
    model: Path | None,
    extra: tuple[str, ...],
    same_kind_tolerance: float,
    other_kind_tolerance: float,
    time_limit: float,
    in_process: bool,
    **_: object,
) -> Subject:
    """Return the subject; its code runs in a child process first, also where the checks run in this one."""
    pairs = dict(pair.partition("=")[::2] for pair in extra)
    tolerances = Tolerances(same_kind=same_kind_tolerance, other_kind=other_kind_tolerance)
    subject = load_aside(name, model, time_limit_s=time_limit, extra=pairs, tolerances=tolerances)
    return Subject.load(name, subject.model_dir, extra=pairs, tolerances=tolerances) if in_process else subject
