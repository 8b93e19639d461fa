"""Two runs of one server or backend, one after the other: the cases whose verdicts have changed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from jan_ort_conformance.reports.terminal import STYLES
from jan_ort_conformance.verdicts.results import Results, counted
from jan_ort_conformance.verdicts.verdict import Verdict


def changes(old: Results, new: Results) -> Iterator[tuple[str, Verdict | None, Verdict | None]]:
    """Yield the id of each case that has another verdict, with both; None where a run has no such case."""
    before, after = ({case.id: case.verdict for case in run.cases} for run in (old, new))
    for case_id in dict.fromkeys([*after, *before]):
        if before.get(case_id) is not after.get(case_id):
            yield case_id, before.get(case_id), after.get(case_id)


def print_changes(old: Results, new: Results, console: Console) -> None:
    """Print what has changed since the old run, what has become worse first."""
    found = sorted(changes(old, new), key=lambda each: each[2] is None or not each[2].is_bad)
    console.print(f"[bold]{counted(len(found), 'verdict')} changed since {escape(old.subject)} was judged[/]")
    for case_id, before, after in found:
        console.print(f"  {escape(case_id)}: {_styled(before)} -> {_styled(after)}", soft_wrap=True, highlight=False)


def _styled(verdict: Verdict | None) -> str:
    return "[dim]not there[/]" if verdict is None else f"[{STYLES[verdict]}]{verdict}[/]"
