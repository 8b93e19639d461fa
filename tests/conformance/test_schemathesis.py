"""schemathesis over document and overlay, on the reference backend: every check, no failure, nobody always refused."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import schemathesis
from quart import Quart
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema

from jan_ort import sse
from jan_ort.app import create_app
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.settings import Settings
from jan_ort_conformance.schema_checks import configuration as kit_configuration
from jan_ort_openapi import operations
from jan_ort_openapi.models import TokenizeInputRequest

MIN_CASES = 1_200
KEY = "k3y"
AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}


def configuration(*, max_examples: int = 200, only: str | None = None) -> SchemathesisConfig:
    """Return what the kit checks, for every operation or for the one at the path ``only``."""
    return kit_configuration(seed=20_240_607, max_examples=max_examples, headers=AUTHORIZATION, only=only)


@dataclass
class Report:
    """What a run came to; all counters are by operation."""

    cases: Counter[str] = field(default_factory=Counter)
    valid: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, event: events.ScenarioFinished) -> None:
        """Count a scenario's cases and keep its failures."""
        for case_id, interaction in event.recorder.interactions.items():
            case = event.recorder.cases[case_id].value
            status = interaction.response.status_code if interaction.response else 0
            self.cases[case.operation.label] += 1
            self.phases[event.phase.value] += 1
            self.statuses[case.operation.label, status] += 1
            if case.meta is not None and case.meta.generation.mode.is_positive:
                self.valid[case.operation.label] += 1
                self.served[case.operation.label] += status == 200
        for case_id, checks in event.recorder.checks.items():
            self.failures += [
                f"{event.recorder.label}: {_describe(check.failure_info.failure)}\n{_sent(event, case_id)}"
                for check in checks
                if check.failure_info is not None
            ]

    def lines(self) -> list[str]:
        """Return the table that is printed."""
        lines = [f"{sum(self.cases.values())} cases, by phase {dict(self.phases)}"]
        for label in sorted(self.cases):
            statuses = {status: num for (name, status), num in sorted(self.statuses.items()) if name == label}
            lines.append(
                f"{label}: {self.cases[label]} cases, {self.valid[label]} valid, of these {self.served[label]} "
                f"answered 200; statuses {statuses}"
            )
        return lines


def _describe(failure: Failure) -> str:
    return f"{failure.title}: {failure.message}"


def _sent(event: events.ScenarioFinished, case_id: str) -> str:
    interaction = event.recorder.interactions[case_id]
    body = interaction.request.body or b""
    answer = interaction.response.content if interaction.response else b"nothing"
    return f"  {interaction.request.method} {interaction.request.uri} {body[:2000]!r}\n  -> {answer[:600]!r}"


@pytest.fixture
def app() -> Iterator[Quart]:
    """The reference model with a context so short that a generation to its end takes a tenth of a second."""
    yield create_app(Settings.read(backend="reference", context_length=192, api_key=KEY))
    schemathesis.python.asgi.shutdown_lifespans()


def wait_until_loaded(app: Quart) -> None:
    with schemathesis.python.asgi.get_client(app) as client:
        deadline = time.monotonic() + 30
        while client.get("/health").status_code != 200:
            assert time.monotonic() < deadline, "the reference model is not loaded"
            time.sleep(0.02)


def run(app: Quart, config: SchemathesisConfig) -> Report:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config, headers=AUTHORIZATION)
    wait_until_loaded(app)
    report = Report()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            report.add(event)
        elif isinstance(event, events.NonFatalError):
            report.failures.append(f"{event.label}: {event.info.format()}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    return report


def test_the_server_conforms_to_its_document(app: Quart) -> None:
    report = run(app, configuration())
    print("\n" + "\n".join(report.lines()))  # noqa: T201  (shown with -s, and whenever the test fails)

    labels = {f"{operation.method} {operation.path}" for operation in operations()}
    assert report.failures == [], "\n\n".join(report.failures[:10])
    assert sum(report.cases.values()) >= MIN_CASES
    assert set(report.phases) == {"examples", "coverage", "fuzzing"}
    assert {label for label in labels if not report.served[label]} == set(), "these refuse every valid body"


def test_a_missing_done_would_be_found(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "DONE", b"")

    report = run(app, configuration(max_examples=20, only="/v1/completions"))

    assert any("the stream ends with" in failure for failure in report.failures)


def test_a_server_error_would_be_found(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(tokenizer: TextTokenizer, text: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(TextTokenizer, "encode", fail)
    report = run(app, configuration(max_examples=20, only="/extras/tokenize"))

    assert any(failure.startswith("POST /extras/tokenize: Server error") for failure in report.failures)
    assert report.served["POST /extras/tokenize"] == 0


def test_a_tolerant_server_would_be_found(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    def tolerate(model: type[TokenizeInputRequest], body: bytes) -> TokenizeInputRequest:
        return TokenizeInputRequest(input="Hello")

    # By its full name only: as an attribute of the package, "app" is the Quart object.
    monkeypatch.setattr(sys.modules["jan_ort.app"], "parse_body", tolerate)
    report = run(app, configuration(max_examples=20, only="/extras/tokenize"))

    assert any("Schema-violating request accepted" in failure for failure in report.failures)
