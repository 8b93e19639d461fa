"""How many requests were answered how, which only the app sees."""

from __future__ import annotations

from collections import Counter

from quart import Response, request

Answered = Counter[tuple[str, str, int]]
"""A number by method, path as the document writes it, and status."""

_OTHER = "other"


def count_answer(answered: Answered, response: Response) -> None:
    """Count the answer to this task's request."""
    method, path = _OTHER, _OTHER
    if request.url_rule is not None:  # else anybody could make as many labels as there are paths
        method, path = request.method, request.url_rule.rule.replace("<path:", "{").replace(">", "}")
    answered[method, path, response.status_code] += 1
