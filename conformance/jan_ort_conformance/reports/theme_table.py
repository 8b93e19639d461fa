"""Several runs side by side in Markdown, for a README: themes down, servers across, how much of each passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from jan_ort_conformance.verdicts.results import Case, Results, by_theme
from jan_ort_conformance.verdicts.verdict import Verdict


def theme_table(runs: Sequence[Results], names: Sequence[str]) -> str:
    """Return the table; ``names`` are the heads of the columns. "3 of 4, 2 no": one is bad, and 2 are unsupported."""
    found = [by_theme(run.cases) for run in runs]
    themes = dict.fromkeys(theme for groups in found for theme in groups)
    rows = [(theme, *(_cell(groups.get(theme, ())) for groups in found)) for theme in themes]
    head = ("theme", *names)
    return "".join(map(_row, [head, ("---",) * len(head), *rows, ("**all**", *(_cell(run.cases) for run in runs))]))


def _cell(cases: Iterable[Case]) -> str:
    counts = Counter(case.verdict for case in cases)
    judged = counts[Verdict.PASS] + counts[Verdict.FAIL] + counts[Verdict.LIES]
    lacking = f"{counts[Verdict.UNSUPPORTED]} no" if counts[Verdict.UNSUPPORTED] else ""
    return ", ".join(filter(None, (f"{counts[Verdict.PASS]} of {judged}" if judged else "", lacking))) or "-"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"
