"""schemathesis over document and overlay: examples, coverage and fuzzing, valid and invalid, against a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import jsonschema_rs
import schemathesis
from schemathesis.checks import CHECKS
from schemathesis.engine import events, from_schema

from jan_ort_conformance.http.check_tools.asker import Asker
from jan_ort_conformance.http.checks import profile_of
from jan_ort_conformance.http.fuzzing.deviations import Deviations
from jan_ort_conformance.http.fuzzing.findings import Findings
from jan_ort_conformance.http.fuzzing.request_hooks import ANSWERS, hooks_of
from jan_ort_conformance.http.fuzzing.schemathesis_config import configuration
from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.server.server_process import ServerProcess
from jan_ort_conformance.http.server.target import Target
from jan_ort_conformance.verdicts.results import Case, Fuzzing, Results, counted
from jan_ort_conformance.verdicts.verdict import Level, Verdict
from jan_ort_openapi import Operation, load_spec, operations

_SHOWN = 3


def fuzz(
    options: HttpOptions,
    seed: int,
    asker: Asker,
    server: ServerProcess,
    results: Results,
    tell: Callable[[Case], None],
    gone: str = "",
) -> None:
    """Add a case per operation and check to ``results``; ``gone`` is why the server is, if it is."""
    deviations = Deviations.read() if options.pristine else None
    wanted = [operation for operation in _operations(options.pristine) if _names(options, operation)]
    results.fuzzing = Fuzzing(seed, options.max_examples, [])
    deadline = time.monotonic() + options.time_limit
    for number, operation in enumerate(wanted):
        findings = Findings(gone=gone, accepts=body_schema(load_spec(pristine=options.pristine), operation))
        cases: list[Case] = []
        if gone:
            told = f"not run, the server is gone: {gone}"
            cases = [Case(_id(operation, ANSWERS), Verdict.SKIP, Level.CORE, told)]
        elif operation.request_model is not None and not asker.declaration.describes(operation.path):
            told = "the server's own document does not describe it; there is nothing to fuzz it by"
            cases = [Case(_id(operation, ANSWERS), Verdict.UNSUPPORTED, Level.CORE, told)]
        elif operation.path not in asker.declaration.document["paths"]:
            cases = [_undeclared(operation, asker)]
        else:
            share_s = (deadline - time.monotonic()) / (len(wanted) - number)
            started = time.monotonic()
            _fuzz_operation(options, seed, asker.target, server, operation, share_s, findings)
            took_s = time.monotonic() - started
            if took_s > share_s and not findings.gone:
                results.warnings.append(f"{label(operation)} was fuzzed for its share of the time limit only")
            cases = [*_cases(options, operation, findings, took_s, deviations)]
            results.fuzzing.operations.append(findings.fuzzed(label(operation)))
        gone = findings.gone
        for case in cases:
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


def case_ids(level: Level, *, pristine: bool = False) -> list[str]:
    """Return the ids of all cases that fuzzing may have at a level."""
    names = [name for name in _all_names() if level.includes(_level(name))]
    return [_id(operation, name) for operation in _operations(pristine) for name in names]


def _operations(pristine: bool) -> list[Operation]:
    paths = load_spec(pristine=pristine)["paths"]
    return [operation for operation in operations() if operation.path in paths]


def _all_names() -> list[str]:
    return [ANSWERS, *sorted(CHECKS.get_all_names())]


def _level(name: str) -> Level:
    return Level.STRICT if name == "error_has_a_code" else Level.CORE


def _names(options: HttpOptions, operation: Operation) -> list[str]:
    """Return the checks whose cases are wanted."""
    only = options.only
    if options.profiles and profile_of(operation.path) not in options.profiles:
        return []
    return [name for name in _all_names() if not only or any(fnmatchcase(_id(operation, name), each) for each in only)]


def _id(operation: Operation, check: str) -> str:
    return f"schema.{label(operation)}.{check}"


def _fuzz_operation(
    options: HttpOptions,
    seed: int,
    target: Target,
    server: ServerProcess,
    operation: Operation,
    share_s: float,
    findings: Findings,
) -> None:
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    config = configuration(
        seed=seed,
        max_examples=options.max_examples,
        headers=headers,
        only=operation.path,
        timeout_s=target.patience_for(4 * options.max_tokens),  # of several choices
        ca_file=options.ca_file,
    )
    deadline = time.monotonic() + share_s  # not schemathesis' max-time: that fuzzes for as long as it may
    schema = schemathesis.openapi.from_dict(_document(options), config=config)
    schema.config.update(base_url=target.url)
    stream = from_schema(schema).execute()

    def stop_in_time() -> None:
        if findings.gone or time.monotonic() > deadline:
            stream.stop()

    with hooks_of(options.max_tokens, server, findings, target, stop_in_time):
        for event in stream:
            if isinstance(event, events.ScenarioFinished):
                findings.add(event, target)
            elif isinstance(event, events.NonFatalError) and ANSWERS not in findings.failures:
                findings.fail(ANSWERS, event.info.format(), "")
            elif isinstance(event, events.FatalError):
                raise event.exception


def body_schema(document: dict[str, Any], operation: Operation) -> Callable[[bytes], bool]:
    """Return what says whether a body is one of the operation's."""
    content = document["paths"][operation.path][operation.method.lower()].get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", False)
    validator = jsonschema_rs.Draft202012Validator(
        {"allOf": [schema], "components": document["components"]} if schema else False
    )

    def accepts(body: bytes) -> bool:
        try:
            return validator.is_valid(json.loads(body))
        except (ValueError, RecursionError):
            return False

    return accepts


def _document(options: HttpOptions) -> dict[str, Any]:
    """Return what requests are made from; without a key nothing is said of authentication, which is not judged then."""
    document = load_spec(pristine=options.pristine)
    if options.key is None:
        document.pop("security", None)
        document["components"].pop("securitySchemes", None)
        for item in document["paths"].values():
            for operation in item.values():
                if isinstance(operation, dict):
                    operation.pop("security", None)
    return document


def _cases(
    options: HttpOptions, operation: Operation, findings: Findings, took_s: float, deviations: Deviations | None
) -> Iterator[Case]:
    """Yield the case of each check that ran; the first carries the time that all of them took."""
    total = sum(findings.phases.values())
    asked = f"{counted(total, 'request')} ({', '.join(f'{count} {phase}' for phase, count in findings.phases.items())})"
    names = [name for name in _names(options, operation) if name == ANSWERS or findings.ran[name]]
    for name in names:
        case_id = _id(operation, name)
        skip = options.skips.of(case_id)
        failures = findings.failures.get(name, [])
        level = _level(name)
        duration_s = took_s if name == names[0] else 0.0
        if not Level(options.level).includes(level):
            continue
        if skip is not None:
            yield Case(case_id, Verdict.SKIP, level, str(skip), duration_s=duration_s)
        elif name == ANSWERS and not total:
            detail = f"no request was answered: {failures[:1]}"
            yield Case(case_id, Verdict.FAIL, level, detail, duration_s=duration_s)
        else:
            told = asked
            if deviations is not None:
                failures, listed = deviations.sort_out(operation.path, name, failures)
                told = f"{asked}; {listed}" if listed else asked
            yield _judged(case_id, level, failures, told, duration_s)


def _judged(case_id: str, level: Level, failures: list[tuple[str, str]], told: str, duration_s: float) -> Case:
    if not failures:
        return Case(case_id, Verdict.PASS, level, told, duration_s=duration_s)
    shown = "\n\n".join(dict.fromkeys(detail for detail, _ in failures[:_SHOWN]))
    detail = f"{counted(len(failures), 'failure')} in {told}; the first:\n{shown}"
    return Case(case_id, Verdict.FAIL, level, detail, failures[0][1], duration_s)
