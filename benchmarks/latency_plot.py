"""Two panels as SVG: times over the number of clients, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT, _LEFT, _TOP = 360, 240, 70, 40
_COLOURS = ("#1f6feb", "#d1572a", "#2a9d5c")
_TITLES = ("to the first token", "between tokens")

Measured = Mapping[tuple[str, int], tuple[Sequence[float], Sequence[float]]]
"""Seconds to first tokens and between tokens, by server and number of clients."""


def plot(measured: Measured, percentiles: Sequence[int]) -> str:
    """Return the picture; the first percentile is drawn whole, the others dashed."""
    size = f'width="{2 * (_WIDTH + _LEFT) + 20}" height="{_HEIGHT + 2 * _TOP + 20}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">']
    parts.append('<rect width="100%" height="100%" fill="white"/>')
    for panel, title in enumerate(_TITLES):
        parts.append(f'<g transform="translate({_LEFT + panel * (_WIDTH + _LEFT)},{_TOP})">')
        parts.append(f'<text x="{_WIDTH / 2}" y="-20" text-anchor="middle">{title}, ms</text>')
        parts += _panel({key: times[panel] for key, times in measured.items() if times[panel]}, percentiles)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def _panel(measured: Mapping[tuple[str, int], Sequence[float]], percentiles: Sequence[int]) -> Iterator[str]:
    found = {
        (name, clients, share): 1e3 * float(np.percentile(times, share))
        for (name, clients), times in measured.items()
        for share in percentiles
    }
    if not found:
        return
    low, high = math.floor(math.log10(min(found.values()))), math.ceil(math.log10(max(found.values())))
    most = max(2, max(clients for _, clients in measured))

    def place(clients: int, ms: float) -> str:
        x = _WIDTH * math.log(clients) / math.log(most)
        y = _HEIGHT * (high - math.log10(ms)) / max(high - low, 1)
        return f"{x:.1f},{y:.1f}"

    for power in range(low, high + 1):
        y = _HEIGHT * (high - power) / max(high - low, 1)
        yield f'<path d="M0,{y}H{_WIDTH}" stroke="#ccc"/>'
        yield f'<text x="-6" y="{y + 4}" text-anchor="end">{10.0**power:g}</text>'
    for clients in sorted({clients for _, clients in measured}):
        x = place(clients, 10.0**low).split(",")[0]
        yield f'<text x="{x}" y="{_HEIGHT + 18}" text-anchor="middle">{clients}</text>'
    yield f'<text x="{_WIDTH / 2}" y="{_HEIGHT + 38}" text-anchor="middle">clients</text>'
    for index, name in enumerate(dict.fromkeys(name for name, _ in measured)):
        colour = _COLOURS[index % len(_COLOURS)]
        yield f'<text x="8" y="{16 + 16 * index}" fill="{colour}">{escape(name)}</text>'
        for share in percentiles:
            points = [place(clients, ms) for (who, clients, at), ms in found.items() if (who, at) == (name, share)]
            dashes = "" if share == percentiles[0] else ' stroke-dasharray="5 3"'
            yield f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
