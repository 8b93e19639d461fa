"""Several runs side by side, as one page: cases by theme down, servers across, each cell with what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from jan_ort_conformance.reports.page import exchange_html, filled_page
from jan_ort_conformance.verdicts.results import Case, Results, by_theme, counted
from jan_ort_conformance.verdicts.verdict import Verdict


def comparison_html(runs: Sequence[Results], names: Sequence[str]) -> str:
    """Return the page; ``names`` are the heads of the columns, one for each run."""
    found = [{case.id: case for case in run.cases} for run in runs]
    every = list({case.id: case for run in runs for case in run.cases}.values())
    return filled_page(
        "comparison.html",
        title=escape(counted(len(runs), "server") + " side by side"),
        kit=escape(", ".join(sorted({run.kit for run in runs}))),
        told=counted(len(every), "case"),
        head=f"<tr><th>case</th>{''.join(map(_head, names, runs))}</tr>",
        rows="".join(_theme(theme, cases, found) for theme, cases in by_theme(every).items()),
    )


def _head(name: str, run: Results) -> str:
    counts = run.counts()
    judged = counts[Verdict.PASS] + counts[Verdict.FAIL] + counts[Verdict.LIES]
    share = f"{counts[Verdict.PASS]} of {judged} pass, {counts[Verdict.UNSUPPORTED]} unsupported"
    return f"<th>{escape(name)}<br><small>{escape(run.about.get('level', ''))}: {share}</small></th>"


def _theme(theme: str, cases: list[Case], found: list[dict[str, Case]]) -> str:
    head = f'<tr class="theme"><th colspan="{len(found) + 1}">{escape(theme)}</th></tr>'
    rows = (
        f"<tr><th><code>{escape(case.id)}</code></th>{''.join(_cell(run.get(case.id)) for run in found)}</tr>"
        for case in cases
    )
    return f"<tbody>{head}{''.join(rows)}</tbody>"


def _cell(case: Case | None) -> str:
    if case is None:
        return '<td><span class="none">not asked</span></td>'
    verdict = f'<span class="verdict {case.verdict.lower()}">{case.verdict}</span>'
    repeat = f"<pre>{escape(case.repeat)}</pre>" if case.repeat else ""
    return f"<td><details><summary>{verdict}</summary>{exchange_html(case)}{repeat}</details></td>"
