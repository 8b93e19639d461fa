"""schemathesis over document and overlay: examples, coverage and fuzzing, valid and invalid, against a real server."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import schemathesis
from schemathesis.checks import CHECKS
from schemathesis.engine import events, from_schema
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER, HookContext

from jan_ort_conformance.deviations import Deviations
from jan_ort_conformance.http.asking import Asker
from jan_ort_conformance.results import Case, Level, Results, Verdict
from jan_ort_conformance.schema_checks import configuration
from jan_ort_conformance.server_process import ServerGone, ServerProcess
from jan_ort_conformance.target import Sent, Target
from jan_ort_openapi import Operation, load_spec, operations

if TYPE_CHECKING:
    import requests

    from jan_ort_conformance.http_run import HttpRun

ANSWERS = "answers"
"""The check that each request is answered at all."""

_GENERATING = ("/v1/completions", "/v1/chat/completions")
_SHOWN = 3


@dataclass
class Findings:
    """What fuzzing one operation came to: cases by phase, how often each check ran, and its failures with curl."""

    phases: Counter[str] = field(default_factory=Counter)
    ran: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def fail(self, check: str, detail: str, repeat: str) -> None:
        """Keep a failure."""
        self.failures.setdefault(check, []).append((detail, repeat))

    def add(self, event: events.ScenarioFinished, target: Target) -> None:
        """Count a scenario's cases and keep its failures."""
        self.phases[event.phase.value] += len(event.recorder.interactions)
        for case_id, checks in event.recorder.checks.items():
            for each in checks:
                self.ran[each.name] += 1
                if each.failure_info is not None:
                    failure = each.failure_info.failure
                    self.fail(each.name, *_described(event, case_id, f"{failure.title}: {failure.message}", target))


def fuzz(
    run: HttpRun,
    seed: int,
    asker: Asker,
    server: ServerProcess,
    results: Results,
    tell: Callable[[Case], None],
) -> None:
    """Add a case per operation and check to ``results``."""
    deviations = Deviations.read() if run.pristine else None
    wanted = [operation for operation in _operations(run) if _names(run, operation)]
    deadline = time.monotonic() + run.time_limit
    for number, operation in enumerate(wanted):
        if operation.path not in asker.declaration.document["paths"]:
            case = _undeclared(operation, asker)
            results.add(case)
            tell(case)
            continue
        share_s = (deadline - time.monotonic()) / (len(wanted) - number)
        started = time.monotonic()
        findings = _fuzz_operation(run, seed, asker.target, server, operation, share_s)
        took_s = time.monotonic() - started
        if took_s > share_s:
            results.warnings.append(f"{label(operation)} was fuzzed for its share of the time limit only")
        for case in _cases(run, operation, findings, took_s, deviations):
            results.add(case)
            tell(case)
    if deviations is not None:
        results.warnings += deviations.unseen()


def _undeclared(operation: Operation, asker: Asker) -> Case:
    """Judge an operation that the server does not declare: it must not be there."""
    path = operation.path.replace("{model}", "x")
    answer = asker.target.ask(operation.method, path, {} if operation.request_model else None)
    absent = answer.status in (404, 405, 501)
    detail = f"not declared, and {'refused' if absent else 'present'}: {answer}"
    verdict = Verdict.UNSUPPORTED if absent else Verdict.LIES
    return Case(_id(operation, ANSWERS), verdict, Level.CORE, detail, asker.target.repeat())


def label(operation: Operation) -> str:
    """Return an operation's name in case ids, e.g. ``post_v1_chat_completions``."""
    path = operation.path.strip("/").replace("/", "_").replace("{", "").replace("}", "")
    return f"{operation.method.lower()}_{path}"


def _operations(run: HttpRun) -> list[Operation]:
    paths = load_spec(pristine=run.pristine)["paths"]
    return [operation for operation in operations() if operation.path in paths]


def _names(run: HttpRun, operation: Operation) -> list[str]:
    """Return the checks whose cases are wanted."""
    names = [ANSWERS, *sorted(CHECKS.get_all_names())]
    only = run.only
    return [name for name in names if not only or any(fnmatchcase(_id(operation, name), each) for each in only)]


def _id(operation: Operation, check: str) -> str:
    return f"schema.{label(operation)}.{check}"


def _fuzz_operation(
    run: HttpRun, seed: int, target: Target, server: ServerProcess, operation: Operation, share_s: float
) -> Findings:
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    config = configuration(
        seed=seed,
        max_examples=run.max_examples,
        headers=headers,
        only=operation.path,
        timeout_s=run.timeout,
    )
    deadline = time.monotonic() + share_s  # not schemathesis' max-time: that fuzzes for as long as it may
    findings = Findings()
    schema = schemathesis.openapi.from_dict(_document(run), config=config)
    schema.config.update(base_url=target.url)
    stream = from_schema(schema).execute()

    def limit_time() -> None:
        if time.monotonic() > deadline:
            stream.stop()

    with _hooks(run, server, findings, target, limit_time):
        for event in stream:
            if isinstance(event, events.ScenarioFinished):
                findings.add(event, target)
            elif isinstance(event, events.NonFatalError) and ANSWERS not in findings.failures:
                findings.fail(ANSWERS, event.info.format(), "")
            elif isinstance(event, events.FatalError):
                raise event.exception
    return findings


def _document(run: HttpRun) -> dict[str, Any]:
    """Return what requests are made from; without a key nothing is said of authentication, which is not judged then."""
    document = load_spec(pristine=run.pristine)
    if run.key is None:
        document.pop("security", None)
        document["components"].pop("securitySchemes", None)
        for item in document["paths"].values():
            for operation in item.values():
                if isinstance(operation, dict):
                    operation.pop("security", None)
    return document


@contextmanager
def _hooks(
    run: HttpRun, server: ServerProcess, findings: Findings, target: Target, limit_time: Callable[[], None]
) -> Iterator[None]:
    """Bound what each request generates and the time of all, and bring the server back when it dies or hangs."""

    def before_call(context: HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
        limit_time()
        if case.operation.path in _GENERATING and isinstance(case.body, dict):
            case.body = bounded(case.body, run.max_tokens)

    def after_network_error(
        context: HookContext, case: schemathesis.Case[Any], request: requests.PreparedRequest
    ) -> None:
        repeat = _curl(request.method, request.url, request.headers.get("Content-Type"), request.body, target)
        try:
            findings.fail(ANSWERS, f"the server died or hung; {server.recover()}", repeat)
        except ServerGone as gone:
            findings.fail(ANSWERS, f"the server died or hung: {gone}", repeat)

    hooks: list[Callable[..., Any]] = [before_call, after_network_error]
    for hook in hooks:
        GLOBAL_HOOK_DISPATCHER.register_hook_with_name(hook, hook.__name__)
    try:
        yield
    finally:
        for hook in hooks:
            GLOBAL_HOOK_DISPATCHER.unregister(hook)


def bounded(body: dict[str, Any], max_tokens: int) -> dict[str, Any]:
    """Return the body with no longer a generation than ``max_tokens``; what is no number is left as it is."""
    name = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    limit = body.get(name)
    numeric = isinstance(limit, int | float) and not isinstance(limit, bool)
    if limit is None or (numeric and (limit == 0 or limit > max_tokens)):
        return body | {name: max_tokens}
    return body


def _cases(
    run: HttpRun, operation: Operation, findings: Findings, took_s: float, deviations: Deviations | None
) -> Iterator[Case]:
    """Yield the case of each check that ran; the first carries the time that all of them took."""
    total = sum(findings.phases.values())
    told = f"{total} requests ({', '.join(f'{count} {phase}' for phase, count in findings.phases.items())})"
    names = [name for name in _names(run, operation) if name == ANSWERS or findings.ran[name]]
    for name in names:
        case_id = _id(operation, name)
        skip = run.skips.of(case_id)
        failures = findings.failures.get(name, [])
        level = Level.STRICT if name == "error_has_a_code" else Level.CORE
        duration_s = took_s if name == names[0] else 0.0
        if not Level(run.level).includes(level):
            continue
        if skip is not None:
            yield Case(case_id, Verdict.SKIP, level, str(skip), duration_s=duration_s)
        elif name == ANSWERS and not total:
            detail = f"no request was answered: {failures[:1]}"
            yield Case(case_id, Verdict.FAIL, level, detail, duration_s=duration_s)
        else:
            if deviations is not None:
                failures, listed = deviations.sort_out(operation.path, name, failures)
                told = f"{told}; {listed}" if listed and name == names[0] else listed or told
            yield _judged(case_id, level, failures, told, duration_s)


def _judged(case_id: str, level: Level, failures: list[tuple[str, str]], told: str, duration_s: float) -> Case:
    if not failures:
        return Case(case_id, Verdict.PASS, level, told, duration_s=duration_s)
    shown = "\n\n".join(dict.fromkeys(detail for detail, _ in failures[:_SHOWN]))
    detail = f"{len(failures)} failures in {told}; the first:\n{shown}"
    return Case(case_id, Verdict.FAIL, level, detail, failures[0][1], duration_s)


def _described(event: events.ScenarioFinished, case_id: str, failure: str, target: Target) -> tuple[str, str]:
    interaction = event.recorder.interactions[case_id]
    response, request = interaction.response, interaction.request
    answer = f"{response.status_code} {response.content[:400]!r}" if response else "nothing"
    content_type = next(iter(request.headers.get("Content-Type") or ()), None)
    repeat = _curl(request.method, request.uri, content_type, request.body, target)
    return f"{failure}\n-> {answer}", repeat


def _curl(method: str | None, url: str | None, content_type: str | bytes | None, body: Any, target: Target) -> str:
    raw = body.encode() if isinstance(body, str) else body
    if isinstance(content_type, bytes):
        content_type = content_type.decode("latin-1")
    headers = {"Content-Type": content_type} if content_type else {}
    return Sent(method or "GET", url or target.url, headers, raw or None, target.key is not None).curl()
