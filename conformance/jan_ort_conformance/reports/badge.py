"""A run as a badge for a README: what was judged by and what it came to, in two boxes."""

from __future__ import annotations

from xml.sax.saxutils import escape

from jan_ort_conformance.verdicts.results import Results
from jan_ort_conformance.verdicts.verdict import Verdict

_CHARACTER_PX = 6.6
_GREEN, _RED, _GREY = "#2da44e", "#cf222e", "#57606a"


def badge_svg(results: Results) -> str:
    """Return the badge: green without FAIL and LIES, red with, grey for a run without cases."""
    label = f"jan-ort {results.kit}"
    message, color = _message(results)
    left, right = _width(label), _width(message)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{escape(label)}: {escape(message)}">\n'
        f"<title>{escape(label)}: {escape(message)}</title>\n"
        f'<clipPath id="r"><rect width="{left + right}" height="20" rx="3"/></clipPath>\n'
        f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#24292f"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{color}"/></g>\n'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2}" y="14">{escape(label)}</text>'
        f'<text x="{left + right / 2}" y="14">{escape(message)}</text></g>\n</svg>\n'
    )


def _message(results: Results) -> tuple[str, str]:
    counts = results.counts()
    passed, bad = counts[Verdict.PASS], counts[Verdict.FAIL] + counts[Verdict.LIES]
    if not passed + bad:
        return "nothing judged", _GREY
    beside = f", {counts[Verdict.UNSUPPORTED]} unsupported" if counts[Verdict.UNSUPPORTED] else ""
    message = f"{results.about.get('level', '')} {passed}/{passed + bad}{beside}".strip()
    return message, _RED if bad else _GREEN


def _width(text: str) -> int:
    return round(len(text) * _CHARACTER_PX) + 14
