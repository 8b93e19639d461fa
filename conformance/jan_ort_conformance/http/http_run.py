"""A whole run of the HTTP kit: start, ask what is declared, check, fuzz, and gather the results."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial

import httpx

from jan_ort_conformance.http.check_tools.asker import Asker, measure_pace
from jan_ort_conformance.http.check_tools.http_check import HttpCheck
from jan_ort_conformance.http.checks import registered, selected
from jan_ort_conformance.http.http_judge import run_checks
from jan_ort_conformance.http.http_options import HttpRun
from jan_ort_conformance.http.server.api_key import hidden
from jan_ort_conformance.http.server.declaration import Declaration, read_declaration
from jan_ort_conformance.http.server.server_process import ServerGone, ServerProcess
from jan_ort_conformance.http.server.target import Target, TargetError
from jan_ort_conformance.verdicts.results import Case, Results
from jan_ort_conformance.verdicts.selection import require_matches, unmatched
from jan_ort_conformance.verdicts.verdict import Level


def run_http(run: HttpRun, tell: Callable[[Case], None] = lambda case: None) -> Results:
    """Judge the server. Raises: PatternError for ``only``; ServerGone, TargetError if there is none to judge.

    Nothing that is told, returned or raised holds the key.
    """
    hide = partial(hidden, key=run.key)
    try:
        return _run(run, lambda case: tell(case.told(hide))).told(hide)
    except (ServerGone, TargetError) as error:
        raise type(error)(hide(str(error))) from None


def _run(run: HttpRun, tell: Callable[[Case], None]) -> Results:
    _require_matches(run)
    seed = secrets.randbelow(2**31) if run.seed is None else run.seed
    results = Results("http", run.url, run.about(seed))
    checks = _checks(run, run.only)
    with (
        Target(run.url, key=run.key, timeout_s=run.timeout, ca_file=run.ca_file) as target,
        ServerProcess(target, run.server_cmd) as server,
    ):
        asker = Asker(target, _declaration(target, server), run.level)
        if run.key is None:
            results.warnings.append("authentication was not judged; give --key")
        if not asker.declaration.serves_document:
            results.warnings.append("the server serves no /openapi.json; all of the bundled document is asked of it")
        if asker.declaration.oddity:
            results.warnings.append(asker.declaration.oddity)
        measure_pace(asker)
        gone = run_checks(checks, asker, server, results, skips=run.skips, tell=tell)
        if run.fuzz:
            from jan_ort_conformance.http.fuzzing.schema_fuzzing import fuzz  # schemathesis takes a second to import

            fuzz(run, seed, asker, server, results, tell, gone)
    results.warnings += run.skips.warnings(case.id for case in results.cases)
    for pattern in unmatched((case.id for case in results.cases), run.only):
        results.warnings.append(f"--only {pattern!r} matches no case that was judged")
    return results


def _checks(run: HttpRun, only: tuple[str, ...] = ()) -> list[HttpCheck]:
    """Return the checks of a run; fuzzing by the document alone has none."""
    if run.pristine:
        return []
    return [entry for entry in selected(run.level, only) if run.key is not None or not entry.needs_key]


def _require_matches(run: HttpRun) -> None:
    """Hold that each pattern of ``only`` matches a case that the run may have. Raises: PatternError."""
    ids = [entry.id for entry in _checks(run)]
    strays = unmatched(ids, run.only)
    if strays:
        from jan_ort_conformance.http.fuzzing.schema_fuzzing import case_ids  # schemathesis takes a second to import

        fuzzed = case_ids(run.level, pristine=run.pristine) if run.fuzz else []
        known = [entry.id for entry in registered()] + case_ids(Level.STRICT)
        require_matches(strays, [*ids, *fuzzed], known)


def _declaration(target: Target, server: ServerProcess) -> Declaration:
    silence = target.silence()
    if silence:
        raise ServerGone(
            f"nothing answers at {target.url} as it should: {silence}; "
            "start the server, correct the URL, or give --server-cmd or --ca-file"
        )
    server.wait_until_ready()
    try:
        return read_declaration(target)
    except httpx.TransportError as error:
        raise ServerGone(f"{target.url} does not say what it has: {error!r}") from error
