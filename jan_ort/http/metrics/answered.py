"""How many requests were answered how, which only the app sees."""

from __future__ import annotations

from collections import Counter

from quart import Response, request

from jan_ort_openapi import operations

Answered = Counter[tuple[str, str, int]]
"""A number by method, path as the document writes it, and status."""

_PATHS = {operation.operation_id: operation.path for operation in operations()}

_OTHER = "other"


def count_answer(answered: Answered, response: Response) -> None:
    """Count the answer to this task's request."""
    method, path = _OTHER, _OTHER
    if request.url_rule is not None:  # else anybody could make as many labels as there are paths
        endpoint = request.url_rule.endpoint  # of a route that no document describes: its path
        method, path = request.method, _PATHS.get(endpoint, endpoint)
    answered[method, path, response.status_code] += 1
