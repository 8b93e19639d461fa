"""The command ``jan-ort-conformance``: judge a server or a backend, write the reports, and say so by exit status."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click
from rich.console import Console

from jan_ort_conformance.cli.judging_options import exit_not_run, judging, read_results, report, tell_case
from jan_ort_conformance.http.check_tools.profile import BASE
from jan_ort_conformance.http.checks import PROFILES, registered
from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.http.server.server_process import ServerGone
from jan_ort_conformance.http.server.target import TargetError
from jan_ort_conformance.reports.comparison import comparison_html
from jan_ort_conformance.reports.theme_table import theme_table
from jan_ort_conformance.verdicts.results import Results
from jan_ort_conformance.verdicts.selection import PatternError
from jan_ort_conformance.verdicts.verdict import Level
from jan_ort_conformance.verdicts.version import __version__


class KitGroup(click.Group):
    """The commands; the backend kit's is imported only when it is asked for, or listed where it can run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands that can run here."""
        found = super().list_commands(ctx)
        return found if find_spec("jan_ort_backends") is None else sorted([*found, "backend"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name == "backend":
            command = import_module("jan_ort_conformance.cli.backend_command").backend_command
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=KitGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jan-ort-conformance")
def main() -> None:
    """Judge a server with the OpenAI-compatible API, or a backend plugin. Exit status 0: no FAIL and no LIES."""


@main.command()
@click.argument("url")
@judging
@click.option("--key", envvar="JAN_ORT_KEY", help="The server's API key; without it, authentication is not tested.")
@click.option("--model", help="Model to use; by default the first that the server lists.")
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Choice([BASE, *PROFILES]),
    help="Test only this part of the API; may be repeated. By default everything the server has.",
)
@click.option("--seed", type=int, help="Seed of the generated requests; printed, so that a run can be repeated.")
@click.option(
    "--max-examples",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Cases per operation in the fuzzing phase, in addition to the phases examples and coverage.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(1),
    default=900.0,
    show_default=True,
    help="Time limit for fuzzing, in seconds.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Maximum length of answers to fuzzed requests, in tokens.",
)
@click.option(
    "--timeout", type=click.FloatRange(0.1), default=30.0, show_default=True, help="Longest silence, in seconds."
)
@click.option("--server-cmd", help="Command that starts the server; run again whenever a case kills it.")
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Certificates (PEM) to trust, for a server with one of its own.",
)
@click.option("--pristine", is_flag=True, help="Fuzz with the document without our overlay; deviations must be listed.")
@click.option("--fuzz/--no-fuzz", default=True, help="Whether to run schemathesis.", show_default=True)
def http(url: str, output: Path | None, level: str, compare: Results | None, **options: object) -> None:
    """Judge the server at URL (http://host:port, with or without a path before /v1)."""
    console = Console()
    if options["server_cmd"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # leave no server behind
    judged = HttpOptions(url=url, level=Level(level), **options)  # type: ignore[arg-type]
    try:
        results = run_http(judged, tell_case(console))
    except PatternError as error:
        raise click.BadParameter(str(error), param_hint="--only") from error
    except (ServerGone, TargetError) as error:
        exit_not_run(error, console)
    report(results, output, console, compare)


def _runs(ctx: click.Context, param: click.Parameter, paths: tuple[Path, ...]) -> list[Results]:
    return [read_results(path, ctx, param) for path in paths]


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False), callback=_runs)
@click.option("--name", "names", multiple=True, help="Column name for each run, in order; by default its subject.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), default="comparison.html", show_default=True)
def compare(runs: list[Results], names: tuple[str, ...], output: Path) -> None:
    """Show several servers side by side, from the results.json of each: a page, or a table of themes in a .md file."""
    if names and len(names) != len(runs):
        raise click.BadParameter(f"there are {len(names)} names for {len(runs)} runs", param_hint="--name")
    form = theme_table if output.suffix == ".md" else comparison_html
    output.write_text(form(runs, names or [run.subject for run in runs]), encoding="utf-8")
    Console().print(f"[dim]wrote {output}[/]", soft_wrap=True)


@main.command("list")
def list_checks() -> None:
    """List the HTTP checks with their levels and what each promises."""
    console = Console()
    for entry in registered():
        where = entry.level if entry.profile == BASE else f"{entry.level}, {entry.profile}"
        console.print(f"[bold]{entry.id}[/] [dim]({where})[/] {entry.promise}", soft_wrap=True, highlight=False)
