"""A run as a web page in one file, without scripts from elsewhere: figures, then every case, the failed ones open."""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template

from jan_ort_conformance.results import Case, Results, Verdict, by_theme

_WORDS = {
    Verdict.PASS: "does what it should",
    Verdict.FAIL: "does not",
    Verdict.UNSUPPORTED: "says it cannot, and refuses properly",
    Verdict.LIES: "declares one thing and does another",
    Verdict.SKIP: "a known issue, not judged",
}


def page_html(results: Results) -> str:
    """Return the page."""
    template = Template(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    conforms = results.exit_status == 0
    return template.substitute(
        title=escape(f"{results.kit} conformance of {results.subject}"),
        subject=escape(results.subject),
        kit=escape("OpenAI-compatible HTTP API" if results.kit == "http" else "backend interface"),
        outcome="conforms" if conforms else "does not conform" if results.cases else "nothing was judged",
        outcome_class="good" if conforms else "bad",
        num_cases=str(len(results.cases)),
        duration=f"{results.duration_s:.1f}",
        tiles="".join(_tile(verdict, count) for verdict, count in results.counts().items()),
        bar=_bar(results),
        about="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in results.about.items()),
        warnings="".join(f'<p class="warning">{escape(warning)}</p>' for warning in results.warnings),
        themes="".join(_theme(theme, cases) for theme, cases in by_theme(results.cases).items()),
    )


def _tile(verdict: Verdict, count: int) -> str:
    return (
        f'<div class="tile {verdict.lower() if count else "none"}"><b>{count}</b>'
        f"<span>{verdict}</span><small>{_WORDS[verdict]}</small></div>"
    )


def _bar(results: Results) -> str:
    total = max(len(results.cases), 1)
    return "".join(
        f'<i class="{verdict.lower()}" style="width:{100 * count / total:.2f}%" title="{count} {verdict}"></i>'
        for verdict, count in results.counts().items()
        if count
    )


def _theme(theme: str, cases: list[Case]) -> str:
    bad = sum(case.verdict.is_bad for case in cases)
    told = f"{bad} of {len(cases)} fail" if bad else f"{len(cases)} cases"
    rows = "".join(_row(case) for case in sorted(cases, key=lambda case: not case.verdict.is_bad))
    return (
        f'<details class="theme"{" open" if bad else ""}><summary><h2>{escape(theme)}</h2>'
        f'<span class="{"bad" if bad else "good"}">{told}</span></summary>{rows}</details>'
    )


def _row(case: Case) -> str:
    head = (
        f'<span class="verdict {case.verdict.lower()}">{case.verdict}</span><code>{escape(case.id)}</code>'
        f'<span class="level">{case.level}</span><span class="time">{case.duration_s:.2f} s</span>'
    )
    if not case.detail and not case.repeat:
        return f'<div class="case">{head}</div>'
    detail = f"<p>{escape(case.detail)}</p>" if case.detail else ""
    repeat = f"<pre>{escape(case.repeat)}</pre>" if case.repeat else ""
    return (
        f'<details class="case"{" open" if case.verdict.is_bad else ""}><summary>{head}</summary>'
        f"{detail}{repeat}</details>"
    )
