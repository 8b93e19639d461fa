"""Run the checks one by one against a server that may die or hang under any of them, and judge each."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import httpx

from jan_ort_conformance.http.check_tools.answers import UNREADABLE, error_of
from jan_ort_conformance.http.check_tools.asker import (
    ABSENT,
    EITHER,
    FREE,
    GENERATING,
    Absent,
    Asker,
    Refused,
    Untold,
    body_of,
)
from jan_ort_conformance.http.check_tools.habits import habits_of
from jan_ort_conformance.http.check_tools.http_check import HttpCheck
from jan_ort_conformance.http.check_tools.profile import BASE
from jan_ort_conformance.http.judging.excuses import excuse, lacks_room, lists_undeclared, shows_by_chance
from jan_ort_conformance.http.server.declaration import Standing, is_known
from jan_ort_conformance.http.server.openai_fields import is_openais, is_owed
from jan_ort_conformance.http.server.server_process import ServerGone, ServerProcess
from jan_ort_conformance.verdicts.results import Case, Results
from jan_ort_conformance.verdicts.skips import Skips
from jan_ort_conformance.verdicts.verdict import Level, Verdict, Violation

logger = logging.getLogger(__name__)

REFUSALS = (400, 404, 405, 422, 501)
"""The statuses that may say that a server does not have something."""
INTERNAL = 500
"""From this status on it is the server that has failed; only 501 says that it does not have something."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and what was seen."""

    verdict: Verdict
    detail: str = ""


def run_checks(
    checks: Iterable[HttpCheck],
    asker: Asker,
    server: ServerProcess,
    results: Results,
    *,
    skips: Skips | None = None,
    tell: Callable[[Case], None] = lambda case: None,
) -> str:
    """Add a case per check to ``results``; ``tell`` is called with each as soon as it is judged.

    Return why the server is gone for good, or nothing.
    """
    known_issues = skips or Skips()
    gone = ""
    for entry in checks:
        skip = known_issues.of(entry.id)
        if skip is not None:
            case = Case(entry.id, Verdict.SKIP, entry.level, str(skip))
        elif gone:
            case = Case(entry.id, Verdict.SKIP, entry.level, f"not run, the server is gone: {gone}")
        else:
            case, gone = _run_one(entry, asker, server)
        case = case if entry.profile == BASE else replace(case, profile=entry.profile)
        results.add(case)
        tell(case)
    return gone


def _run_one(entry: HttpCheck, asker: Asker, server: ServerProcess) -> tuple[Case, str]:
    """Return the judged case, and why the server is gone if it is."""
    asker.target.forget()
    started = time.monotonic()
    gone = ""
    try:
        judged = judge_http_check(entry, asker)
    except (httpx.TransportError, httpx.StreamError) as error:
        judged = Judged(Verdict.FAIL, silence(error, asker.target.patience_s))
        try:
            hung = isinstance(error, httpx.TimeoutException)
            came_back = server.recover(hung=hung)
            if hung and server.command is None:
                _require_answer(asker)
            judged = replace(judged, detail=f"{judged.detail}; {came_back}")
        except ServerGone as gone_error:
            gone = f"after {entry.id}, {gone_error}"
            judged = replace(judged, detail=f"{judged.detail}; {gone_error}")
    took, repeat = time.monotonic() - started, asker.target.repeat()
    return Case(entry.id, judged.verdict, entry.level, judged.detail, repeat, took, *asker.target.exchange()), gone


def _require_answer(asker: Asker) -> None:
    """Hold that a small question is answered again: a server at work on one that hung is not judged by the next.

    Raises: ServerGone.
    """
    try:
        with habits_of(asker).aside():
            for path in asker.generating():
                asker.post(path, body_of(path, max_tokens=1))
    except httpx.HTTPError as error:
        busy = "it does not answer any more, still busy with that request; with --server-cmd, it is restarted"
        raise ServerGone(busy) from error


def judge_http_check(entry: HttpCheck, asker: Asker) -> Judged:
    """Run a check and compare what it shows with what the server has said. Raises: httpx.TransportError."""
    needs = _needs(entry, asker)
    asker.begin(needs)
    absent = sorted({need.partition(" ")[0] for need in needs if asker.is_absent(need.partition(" ")[0])})
    if absent:
        return Judged(Verdict.UNSUPPORTED, f"not declared, and not there: {', '.join(absent)}")
    unasked = [need for need in needs if _is_unasked(need, asker)]
    if unasked:
        return Judged(Verdict.UNSUPPORTED, f"not declared, and not asked for: {', '.join(unasked)}")
    try:
        entry.run(asker)
    except Refused as refusal:
        return _judge_refusal(entry, refusal, asker)
    except Untold as untold:
        return Judged(Verdict.UNSUPPORTED, f"not judged: {untold}")
    except Violation as violation:
        return _judge_violation(entry, violation, asker)
    except UNREADABLE as error:
        # A check reads answers as the document says they are; what it cannot read is of another shape.
        misshapen = Violation(f"the answer is not of the document's shape: {_described(error)}")
        misshapen.__cause__ = error
        return _judge_violation(entry, misshapen, asker)
    return _judge_success(entry, asker)


def _needs(entry: HttpCheck, asker: Asker) -> list[str]:
    """Return what a check needs; one of both operations that generate asks that which is there, if only one is."""
    if not set(EITHER) <= set(entry.needs):
        return list(entry.needs)
    there = asker.generating() or list(GENERATING)
    return [*there, *(need for need in entry.needs if need not in EITHER and need.partition(" ")[0] in there)]


def _is_unasked(need: str, asker: Asker) -> bool:
    """Whether a need is nobody's but ours, and not declared: of others it is asked at the level strict only."""
    standing = asker.declaration.standing(need)
    return standing is Standing.UNKNOWN or (
        standing is Standing.UNDECLARED and not is_openais(need) and " " in need and asker.level is not Level.STRICT
    )


def _missing(asker: Asker) -> list[str]:
    """Return what the check needs and the server's own document has not."""
    return [need for need in sorted(asker.needs) if asker.declaration.standing(need) is Standing.UNDECLARED]


def _presumed(asker: Asker) -> list[str]:
    """Return the fields that the check is about and of which the server says nothing: it may lack each of them."""
    usual = {f"{path} {name}" for path in GENERATING for name in FREE}
    about = asker.needs | (asker.sent - usual)
    fields = [need for need in sorted(about) if " " in need and not is_owed(need)]
    return [need for need in fields if asker.declaration.standing(need) is Standing.PRESUMED]


def _lacking(asker: Asker) -> list[str]:
    """Return the document's fields that were sent and are not declared, whether the check names them or not."""
    return [need for need in sorted(asker.sent) if not asker.declaration.has(need) and is_known(need)]


def _judge_violation(entry: HttpCheck, violation: Violation, asker: Asker) -> Judged:
    """What is not declared may be ignored, as any unknown field is; at the level strict it must be refused by name."""
    missing = _missing(asker)
    if any(" " in need for need in missing):
        verdict = Verdict.FAIL if asker.level is Level.STRICT else Verdict.UNSUPPORTED
        return Judged(verdict, f"not declared, and silently ignored: {', '.join(missing)}; {violation}")
    lacking = _lacking(asker)
    if lacking and asker.level is not Level.STRICT:
        return Judged(Verdict.UNSUPPORTED, f"not declared: {', '.join(lacking)}; without it, {violation}")
    presumed = _presumed(asker)
    if presumed:
        return Judged(Verdict.UNSUPPORTED, f"not declared, and not as it should be: {', '.join(presumed)}; {violation}")
    excused = excuse(entry, asker, violation)
    if excused:
        return Judged(Verdict.UNSUPPORTED, f"not judged: {excused}; {violation}")
    if isinstance(violation, Absent) and _describes_all(asker):
        return Judged(Verdict.LIES, f"declared, but absent: {violation}")
    return Judged(Verdict.FAIL, str(violation))


def _describes_all(asker: Asker) -> bool:
    """Whether the server's own document has all that the check needs, with the bodies that it is asked by."""
    paths = {need.partition(" ")[0] for need in asker.needs}
    declared = all(asker.declaration.standing(need) is Standing.DECLARED for need in asker.needs)
    return declared and all(map(asker.declaration.describes, paths))


def _judge_success(entry: HttpCheck, asker: Asker) -> Judged:
    """An operation was there; of fields, only those whose absence the check detects have shown an effect."""
    missing = _missing(asker)
    shown = [
        need for need in missing if " " not in need or (need in entry.fields and asker.declaration.has_field(need))
    ]
    if shown and not (any(" " in need for need in shown) and shows_by_chance(asker)):
        return Judged(Verdict.LIES, f"present, but not declared: {', '.join(shown)}")
    if missing:
        return Judged(Verdict.UNSUPPORTED, f"not declared: {', '.join(missing)}; the rest of it holds: {entry.promise}")
    return Judged(Verdict.PASS, entry.promise)


def _judge_refusal(entry: HttpCheck, refusal: Refused, asker: Asker) -> Judged:
    """A refusal is right where something is not declared, or where the error names what only some models can."""
    if lacks_room(entry, asker, refusal):
        return Judged(Verdict.UNSUPPORTED, f"not judged: the context may not hold the question: {refusal.answer}")
    status = refusal.answer.status
    missing = sorted({*_missing(asker), *_lacking(asker), *lists_undeclared(asker)})
    if missing and status in REFUSALS:
        return Judged(Verdict.UNSUPPORTED, f"not declared: {', '.join(missing)}; refused with {status}")
    if entry.optional is not None and status == 400:
        try:
            named = error_of(refusal.answer)["param"]
        except Violation as violation:
            return _judge_violation(entry, violation, asker)
        if str(named).partition(".")[0] == entry.optional:
            return Judged(Verdict.UNSUPPORTED, f"refused by name: {refusal.answer}")
    presumed = _presumed(asker)
    if presumed and status in REFUSALS:
        return Judged(Verdict.UNSUPPORTED, f"not declared: {', '.join(presumed)}; refused with {status}")
    if status in ABSENT and _describes_all(asker):
        return Judged(Verdict.LIES, f"declared, but absent: {refusal}")
    lacking = f"not declared: {', '.join(missing)}; " if missing else ""
    told = f"{lacking}no request may be answered by an error of the server: {refusal.told()}"
    return Judged(Verdict.FAIL, told if status >= INTERNAL else str(refusal))


def silence(error: Exception, timeout_s: float) -> str:
    """Say how the server fell silent under a request."""
    if isinstance(error, httpx.TimeoutException):
        return f"the server did not answer within {timeout_s:.3g} s"
    return f"the server closed the connection: {type(error).__name__} {error}".rstrip(": ")


def _described(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (at `{frame.line}`)"
