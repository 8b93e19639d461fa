"""A whole run of the HTTP kit: start, ask what is declared, check, fuzz, and gather the results."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial

import httpx

from jan_ort_conformance.http.check_tools.asker import FREE, Asker, body_of
from jan_ort_conformance.http.check_tools.http_check import HttpCheck
from jan_ort_conformance.http.checks import PROFILES, registered, selected
from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_judge import run_checks
from jan_ort_conformance.http.server.api_key import hidden
from jan_ort_conformance.http.server.declaration import Declaration, read_declaration
from jan_ort_conformance.http.server.events import events_of
from jan_ort_conformance.http.server.server_process import ServerGone, ServerProcess
from jan_ort_conformance.http.server.target import Target, TargetError
from jan_ort_conformance.verdicts.results import Case, Results
from jan_ort_conformance.verdicts.selection import require_matches, unmatched
from jan_ort_conformance.verdicts.verdict import Level, Verdict

NUM_TIMED_TOKENS = 16
"""Tokens of the answer by which the speed of a server is measured."""


def run_http(options: HttpOptions, tell: Callable[[Case], None] = lambda case: None) -> Results:
    """Judge the server. Raises: PatternError for ``only``; ServerGone, TargetError if there is none to judge.

    Nothing that is told, returned or raised holds the key.
    """
    hide = partial(hidden, key=options.key)
    try:
        return _run(options, lambda case: tell(case.told(hide))).told(hide)
    except (ServerGone, TargetError) as error:
        raise type(error)(hide(str(error))) from None


def _run(options: HttpOptions, tell: Callable[[Case], None]) -> Results:
    _require_matches(options)
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    results = Results("http", options.url, options.about(seed))
    checks = _checks(options, options.only)
    with (
        Target(options.url, key=options.key, timeout_s=options.timeout, ca_file=options.ca_file) as target,
        ServerProcess(target, options.server_cmd) as server,
    ):
        asker = Asker(target, _declaration(target, server, options.model), options.level)
        if options.key is None:
            results.warnings.append("authentication was not tested; give --key")
        if not asker.declaration.serves_document:
            results.warnings.append("the server serves no /openapi.json; OpenAI's own operations are tested")
        if asker.declaration.oddity:
            results.warnings.append(asker.declaration.oddity)
        try:
            measure_token_time(asker)
            gone = run_checks(checks, asker, server, results, skips=options.skips, tell=tell)
            if options.fuzz:
                from jan_ort_conformance.http.fuzzing.schema_fuzzing import fuzz  # schemathesis is slow to import

                fuzz(options, seed, asker, server, results, tell, gone)
        except KeyboardInterrupt:
            results.interrupt()
    results.about = {**results.about, **_profiles(results)}
    results.warnings += options.skips.warnings(case.id for case in results.cases)
    for pattern in unmatched((case.id for case in results.cases), options.only):
        results.warnings.append(f"--only {pattern!r} matches no case that was judged")
    return results


def _profiles(results: Results) -> dict[str, str]:
    """Say of each profile that was asked for whether it is served: nothing of one that is not is there to be judged."""
    told = {}
    for name in PROFILES:
        verdicts = {case.verdict for case in results.cases if case.profile == name}
        if verdicts:
            told[name] = "judged" if verdicts - {Verdict.UNSUPPORTED, Verdict.SKIP} else "not served"
    return {"profiles": ", ".join(f"{name} {what}" for name, what in told.items())} if told else {}


def _checks(options: HttpOptions, only: tuple[str, ...] = ()) -> list[HttpCheck]:
    """Return the checks of a run; fuzzing by the document alone has none."""
    if options.pristine:
        return []
    return [
        entry
        for entry in selected(options.level, only, options.profiles)
        if options.key is not None or not entry.needs_key
    ]


def _require_matches(options: HttpOptions) -> None:
    """Hold that each pattern of ``only`` matches a case that the run may have. Raises: PatternError."""
    ids = [entry.id for entry in _checks(options)]
    strays = unmatched(ids, options.only)
    if strays:
        from jan_ort_conformance.http.fuzzing.schema_fuzzing import case_ids  # schemathesis takes a second to import

        fuzzed = case_ids(options.level, pristine=options.pristine) if options.fuzz else []
        known = [entry.id for entry in registered()] + case_ids(Level.STRICT)
        require_matches(strays, [*ids, *fuzzed], known)


def _declaration(target: Target, server: ServerProcess, model: str | None) -> Declaration:
    silence = target.silence()
    if silence:
        raise ServerGone(
            f"nothing answers at {target.url} as it should: {silence}; "
            "start the server, correct the URL, or give --server-cmd or --ca-file"
        )
    server.wait_until_ready()
    try:
        return read_declaration(target, model)
    except httpx.TransportError as error:
        raise ServerGone(f"{target.url} does not list its models: {error!r}") from error


def measure_token_time(asker: Asker) -> None:
    """Let the target know how many seconds a token takes, by a stream, which no limit of time cuts while it flows.

    Where nothing can be measured it stays 0: an answer is waited for as long as the longest silence.
    """
    try:
        path = next(iter(asker.generating()), None)
        if path is None:
            return
        body = body_of(path, **FREE | {"max_tokens": NUM_TIMED_TOKENS, "min_tokens": NUM_TIMED_TOKENS}, stream=True)
        asker.post(path, body | {"max_tokens": 1, "min_tokens": 1})  # what only the first request takes is not counted
        started = time.monotonic()
        answer = asker.post(path, body)
        took_s = time.monotonic() - started
        num_events = len(events_of(answer.body)) if answer.is_stream else 0
    except (httpx.TransportError, UnicodeDecodeError):
        return
    if num_events:
        asker.target.token_time_s = took_s / min(num_events, NUM_TIMED_TOKENS)
