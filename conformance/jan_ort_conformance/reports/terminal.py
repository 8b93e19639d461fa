"""A run as a terminal shows it: a table by theme, then every case that failed with the line that repeats it."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jan_ort_conformance.verdicts.results import Case, Fuzzing, Results, by_theme, counted
from jan_ort_conformance.verdicts.verdict import Verdict

STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.UNSUPPORTED: "cyan",
    Verdict.LIES: "bold magenta",
    Verdict.SKIP: "yellow",
}
_DETAIL_CHARACTERS = 1000


def print_summary(results: Results, console: Console) -> None:
    """Print what the run came to."""
    for case in results.cases:
        if case.verdict.is_bad:
            _print_case(case, console)
    console.print(_table(results))
    if results.fuzzing is not None and results.fuzzing.operations:
        console.print(_fuzzing_table(results.fuzzing))
    for warning in results.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    for name, value in results.about.items():
        console.print(f"[dim]{escape(name)}: {escape(value)}[/]")
    console.print(_last_line(results))
    begin = begin_with(results)
    if begin:
        console.print(f"[bold]begin with: {escape(begin)}[/]", soft_wrap=True, highlight=False)


def begin_with(results: Results) -> str:
    """Return the failed case to mend first, of several of a backend, whose cases come in this order; else nothing."""
    bad = [case.id for case in results.cases if case.verdict.is_bad]
    return bad[0] if results.kit == "backend" and len(bad) > 1 else ""


def _print_case(case: Case, console: Console) -> None:
    detail = case.detail if len(case.detail) <= _DETAIL_CHARACTERS else case.detail[:_DETAIL_CHARACTERS] + " …"
    console.print(f"[{STYLES[case.verdict]}]{case.verdict}[/] [bold]{escape(case.id)}[/] ({case.level})")
    console.print(f"  {escape(detail)}", soft_wrap=True)
    if case.repeat:
        console.print(f"  [dim]{escape(case.repeat)}[/]", soft_wrap=True)
    console.print()


def _table(results: Results) -> Table:
    table = Table(title=f"{results.kit} conformance of {escape(results.subject)}", title_justify="left")
    table.add_column("theme")
    for verdict in Verdict:
        table.add_column(verdict.value, justify="right")
    for theme, cases in by_theme(results.cases).items():
        table.add_row(theme, *(_cell(verdict, sum(c.verdict is verdict for c in cases)) for verdict in Verdict))
    table.add_section()
    table.add_row("all", *(_cell(verdict, count) for verdict, count in results.counts().items()))
    return table


def _fuzzing_table(fuzzing: Fuzzing) -> Table:
    sent = counted(fuzzing.num_requests, "request")
    title = f"{sent} by schemathesis, seed {fuzzing.seed}, max-examples {fuzzing.max_examples}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("operation", no_wrap=True)
    phases = fuzzing.phases()
    for name in (*phases, "all", "valid", "2xx"):
        table.add_column(name, justify="right")
    for each in fuzzing.operations:
        counts = [each.phases.get(phase, 0) for phase in phases]
        table.add_row(each.operation, *map(str, (*counts, each.num_requests, each.num_valid, each.num_served)))
    table.add_section()
    table.add_row("all", *map(str, (*phases.values(), fuzzing.num_requests)))
    return table


def _cell(verdict: Verdict, count: int) -> str:
    return f"[{STYLES[verdict]}]{count}[/]" if count else "[dim]·[/]"


def _last_line(results: Results) -> str:
    if not results.cases:
        return "[bold red]no case was run[/]"
    verdict = "[bold red]does not conform[/]" if results.exit_status else "[bold green]conforms[/]"
    return f"{escape(results.subject)} {verdict}: {counted(len(results.cases), 'case')} in {results.duration_s:.1f} s"
