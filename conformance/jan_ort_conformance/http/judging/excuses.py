"""What clears a server of a violation: what was seen rests on something else that it lacks, and is judged for there.

The level strict takes none of them from a server that says what it has: there each promise is this project's own.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

import httpx

from jan_ort_conformance.http.check_tools.asker import GENERATING, Asker
from jan_ort_conformance.http.check_tools.habits import habits_of
from jan_ort_conformance.http.check_tools.http_check import HttpCheck
from jan_ort_conformance.verdicts.verdict import Level, Violation

_ABOUT = {"n": ("field.*.n",), "logprobs": ("field.*.logprobs", "logprobs.*")}
"""Fields by which many checks look at an answer, and the checks that are about them."""
_ABOUT_REPEATING = ("seed.*", "field.*.seed")
_ABOUT_USAGE = ("usage.adds_up",)


def excuse(entry: HttpCheck, asker: Asker, violation: Violation) -> str:
    """Return why the violation is no fault of what the check is about, or nothing."""
    if asker.level is Level.STRICT and asker.declaration.serves_document:
        return ""
    cause = violation.__cause__
    if isinstance(cause, KeyError) and cause.args == ("usage",) and not _is_any(entry, _ABOUT_USAGE):
        return "the answer tells no usage"
    sent, has_compared = set(asker.sent), asker.has_compared
    try:
        with habits_of(asker).aside():
            told = _of_company(entry, asker, sent)
            return told or (_of_steadiness(entry, asker) if has_compared else "")
    except httpx.HTTPError:
        return ""


def _of_company(entry: HttpCheck, asker: Asker, sent: set[str]) -> str:
    for path in GENERATING:
        for name, checks in _ABOUT.items():
            if f"{path} {name}" in sent and not _is_any(entry, checks) and habits_of(asker).is_idle(path, name):
                return f"{name} has no effect at {path}"
    return ""


def _of_steadiness(entry: HttpCheck, asker: Asker) -> str:
    if _is_any(entry, _ABOUT_REPEATING) or habits_of(asker).is_steady:
        return ""
    return "at temperature 0 one question has several answers"


def _is_any(entry: HttpCheck, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(entry.id, pattern) for pattern in patterns)


def lists_undeclared(asker: Asker) -> list[str]:
    """Return the fields that were sent as lists, where the server's own document does not say that they may be."""
    lists = [need.removesuffix("[]") for need in sorted(asker.sent) if need.endswith("[]")]
    return [f"a list as {need}" for need in lists if not asker.declaration.takes_list(*need.split(" "))]
