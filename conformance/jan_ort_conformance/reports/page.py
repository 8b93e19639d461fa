"""A run as a web page in one file, without scripts from elsewhere: figures, then every case, the failed themes open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from string import Template

from jan_ort_conformance.verdicts.results import Case, Fuzzing, Results, by_theme, counted
from jan_ort_conformance.verdicts.verdict import Verdict

_WORDS = {
    Verdict.PASS: "does what it should",
    Verdict.FAIL: "does not",
    Verdict.UNSUPPORTED: "says that it cannot, and rejects it properly",
    Verdict.LIES: "declares one thing and does another",
    Verdict.SKIP: "not judged: a known issue, or the server is gone",
}


def page_html(results: Results) -> str:
    """Return the page."""
    conforms = results.exit_status == 0
    return filled_page(
        "page.html",
        title=escape(f"{results.kit} conformance of {results.subject}"),
        subject=escape(results.subject),
        kit=escape("OpenAI-compatible HTTP API" if results.kit == "http" else "backend interface"),
        outcome="conforms" if conforms else "does not conform" if results.cases else "nothing was judged",
        outcome_class="good" if conforms else "bad",
        num_cases=counted(len(results.cases), "case"),
        duration=f"{results.duration_s:.1f}",
        tiles="".join(_tile(verdict, count) for verdict, count in results.counts().items()),
        bar=_bar(results.cases),
        about="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in results.about.items()),
        warnings=_warnings(results.warnings),
        fuzzing=_fuzzing(results.fuzzing) if results.fuzzing is not None and results.fuzzing.operations else "",
        themes="".join(_theme(theme, cases) for theme, cases in by_theme(results.cases).items()),
    )


def filled_page(name: str, **parts: str) -> str:
    """Return a page of this folder with its parts, and the style that the pages share."""
    files = resources.files(__package__)
    style = files.joinpath("style.css").read_text(encoding="utf-8")
    return Template(files.joinpath(name).read_text(encoding="utf-8")).substitute(parts, style=style)


def _tile(verdict: Verdict, count: int) -> str:
    return (
        f'<div class="tile {verdict.lower() if count else "none"}"><b>{count}</b>'
        f"<span>{verdict}</span><small>{_WORDS[verdict]}</small></div>"
    )


def _bar(cases: Sequence[Case]) -> str:
    """Return the shares of the verdicts side by side."""
    counts = Counter(case.verdict for case in cases)
    return "".join(
        f'<i class="{verdict.lower()}" style="width:{100 * counts[verdict] / len(cases):.2f}%" '
        f'title="{counts[verdict]} {verdict}"></i>'
        for verdict in Verdict
        if counts[verdict]
    )


def _warnings(warnings: list[str]) -> str:
    lines = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<ul class="warnings">{lines}</ul>' if lines else ""


def _fuzzing(fuzzing: Fuzzing) -> str:
    phases = list(fuzzing.phases())
    names = ("operation", *phases, "all", "valid", "answered 2xx")
    rows = "".join(
        _cells(
            "td",
            (
                each.operation,
                *(_grouped(each.phases.get(phase, 0)) for phase in phases),
                *map(_grouped, (each.num_requests, each.num_valid, each.num_served)),
            ),
        )
        for each in fuzzing.operations
    )
    head = f"{_grouped(fuzzing.num_requests)} requests by schemathesis"
    return (
        f'<details class="theme"><summary><h2>{head}</h2><span class="good">seed {fuzzing.seed}, '
        f"max-examples {fuzzing.max_examples}</span></summary>"
        f"<table><thead>{_cells('th', names)}</thead><tbody>{rows}</tbody></table></details>"
    )


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts) + "</tr>"


def _grouped(count: int) -> str:
    return f"{count:,}"


def _theme(theme: str, cases: list[Case]) -> str:
    bad = sum(case.verdict.is_bad for case in cases)
    told = f"{bad} of {len(cases)} fail" if bad else counted(len(cases), "case")
    rows = "".join(_row(case) for case in sorted(cases, key=lambda case: not case.verdict.is_bad))
    return (
        f'<details class="theme"{" open" if bad else ""}><summary><h2>{escape(theme)}</h2>'
        f'<span class="bar">{_bar(cases)}</span><span class="{"bad" if bad else "good"}">{told}</span></summary>'
        f"{rows}</details>"
    )


def _row(case: Case) -> str:
    head = (
        f'<span class="verdict {case.verdict.lower()}">{case.verdict}</span><code>{escape(case.id)}</code>'
        f'<span class="level">{case.level}</span><span class="time">{case.duration_s:.2f} s</span>'
    )
    if not case.detail and not case.repeat:
        return f'<div class="case">{head}</div>'
    seen = f'<div class="exchange">{exchange_html(case)}</div>' if case.verdict.is_bad else ""
    detail = "" if case.verdict.is_bad else exchange_html(case)
    repeat = f"<pre>{escape(case.repeat)}</pre>" if case.repeat else ""
    return f'<details class="case"><summary>{head}{seen}</summary>{detail}{repeat}</details>'


def exchange_html(case: Case) -> str:
    """Return why a case has its verdict, with what was asked last and what came."""
    rows = (("seen", case.detail), ("asked", case.asked), ("came", case.came))
    return "".join(f'<p class="{name}"><b>{name}</b> {escape(text)}</p>' for name, text in rows if text)
