"""Run the checks one by one against a server that may die or hang under any of them, and judge each."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import httpx

from jan_ort_conformance.http.check_tools.asker import Absent, Asker, Refused, Untold, error_of
from jan_ort_conformance.http.check_tools.http_check import HttpCheck
from jan_ort_conformance.http.server.server_process import ServerGone, ServerProcess
from jan_ort_conformance.verdicts.results import Case, Results
from jan_ort_conformance.verdicts.skips import Skips
from jan_ort_conformance.verdicts.verdict import Level, Verdict, Violation

logger = logging.getLogger(__name__)

REFUSALS = (400, 404, 405, 422, 501)
"""The statuses that may say that a server does not have something."""

_ABSENT = (404, 405, 501)


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
            case = Case(entry.id, Verdict.FAIL, entry.level, f"not run: {gone}")
        else:
            case, gone = _run_one(entry, asker, server)
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
            came_back = server.recover(hung=isinstance(error, httpx.TimeoutException))
            judged = replace(judged, detail=f"{judged.detail}; {came_back}")
        except ServerGone as gone_error:
            gone = f"after {entry.id}, {gone_error}"
            judged = replace(judged, detail=f"{judged.detail}; {gone_error}")
    case = Case(entry.id, judged.verdict, entry.level, judged.detail, asker.target.repeat(), time.monotonic() - started)
    return case, gone


def judge_http_check(entry: HttpCheck, asker: Asker) -> Judged:
    """Run a check and compare what it shows with what the server declares. Raises: httpx.TransportError."""
    missing = [need for need in entry.needs if not asker.declaration.has(need)]
    paths = {need.partition(" ")[0] for need in missing} - asker.declaration.document["paths"].keys()
    absent = sorted(path for path in paths if _is_absent(asker, path))
    if absent:
        return Judged(Verdict.UNSUPPORTED, f"not declared, and not there: {', '.join(absent)}")
    try:
        entry.run(asker)
    except Refused as refusal:
        return _judge_refusal(entry, refusal, missing)
    except Untold as untold:
        return Judged(Verdict.UNSUPPORTED, f"not judged: {untold}")
    except Violation as violation:
        return _judge_violation(violation, missing, asker)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # A check reads answers as the document says they are; what it cannot read is of another shape.
        told = f"the answer is not of the document's shape: {_described(error)}"
        return _judge_violation(Violation(told), missing, asker)
    return _judge_success(entry, missing)


def _judge_violation(violation: Violation, missing: list[str], asker: Asker) -> Judged:
    """What is not declared may be ignored, as any unknown field is; at the level strict it must be refused by name."""
    if any(" " in need for need in missing):
        verdict = Verdict.FAIL if asker.level is Level.STRICT else Verdict.UNSUPPORTED
        return Judged(verdict, f"not declared, and ignored in silence: {', '.join(missing)}; {violation}")
    if isinstance(violation, Absent) and not missing:
        return Judged(Verdict.LIES, f"declared, but absent: {violation}")
    return Judged(Verdict.FAIL, str(violation))


def _judge_success(entry: HttpCheck, missing: list[str]) -> Judged:
    """An operation was there; of fields, only those whose absence the check detects have shown an effect."""
    shown = [need for need in missing if " " not in need or need in entry.fields]
    if shown:
        return Judged(Verdict.LIES, f"present, but not declared: {', '.join(shown)}")
    if missing:
        return Judged(Verdict.UNSUPPORTED, f"not declared: {', '.join(missing)}; the rest of it holds: {entry.promise}")
    return Judged(Verdict.PASS, entry.promise)


def _is_absent(asker: Asker, path: str) -> bool:
    """Whether an operation is there under neither method."""
    path = path.replace("{model}", "x")
    return all(
        asker.target.ask(method, path, {} if method == "POST" else None).status in _ABSENT for method in ("GET", "POST")
    )


def _judge_refusal(entry: HttpCheck, refusal: Refused, missing: list[str]) -> Judged:
    """A refusal is right where something is not declared, or where the error names what only some models can."""
    status = refusal.answer.status
    if missing and status in REFUSALS:
        return Judged(Verdict.UNSUPPORTED, f"not declared: {', '.join(missing)}; refused with {status}")
    if entry.optional is not None and status == 400:
        try:
            named = error_of(refusal.answer)["param"]
        except Violation as violation:
            return Judged(Verdict.FAIL, str(violation))
        if str(named).partition(".")[0] == entry.optional:
            return Judged(Verdict.UNSUPPORTED, f"refused by name: {refusal.answer}")
    if not missing and status in _ABSENT:
        return Judged(Verdict.LIES, f"declared, but absent: {refusal}")
    return Judged(Verdict.FAIL, str(refusal))


def silence(error: Exception, timeout_s: float) -> str:
    """Say how the server fell silent under a request."""
    if isinstance(error, httpx.TimeoutException):
        return f"the server did not answer within {timeout_s:.3g} s"
    return f"the server closed the connection: {type(error).__name__} {error}".rstrip(": ")


def _described(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (at `{frame.line}`)"
