"""What fuzzing one operation came to: its requests by phase, their digest, and its failures with curl lines."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schemathesis.engine import events
from schemathesis.engine.recorder import Interaction, Request

from jan_ort_conformance.http.server.api_key import OWN
from jan_ort_conformance.http.server.sent_request import SentRequest
from jan_ort_conformance.http.server.target import Target
from jan_ort_conformance.verdicts.results import FuzzedOperation

if TYPE_CHECKING:
    import requests


@dataclass
class Findings:
    """Requests by phase, how often each check ran, and its failures with curl; ``gone`` is why the server is.

    ``accepts``: whether the operation's schema takes a body. schemathesis breaks one branch of an anyOf, such as what
    it requires, and does not look whether another one still holds: such a body is rightly served.
    """

    phases: Counter[str] = field(default_factory=Counter)
    ran: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    gone: str = ""
    accepts: Callable[[bytes], bool] = lambda _: False
    num_valid: int = 0
    num_served: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)
    _lost: set[str] = field(default_factory=set)

    def fail(self, check: str, detail: str, repeat: str) -> None:
        """Keep a failure."""
        self.failures.setdefault(check, []).append((detail, repeat))

    def add(self, event: events.ScenarioFinished, target: Target) -> None:
        """Count a scenario's requests and keep its failures."""
        for case_id, interaction in event.recorder.interactions.items():
            if interaction.response is not None or case_id not in self._lost:
                self._count(event.phase.value, event.recorder.cases[case_id].value, interaction, target)
        for case_id, checks in event.recorder.checks.items():
            for each in checks:
                self.ran[each.name] += 1
                if each.failure_info is not None and not self._is_mistaken(event, case_id, each.name):
                    failure = each.failure_info.failure
                    self.fail(each.name, *_described(event, case_id, f"{failure.title}: {failure.message}", target))

    def _is_mistaken(self, event: events.ScenarioFinished, case_id: str, check: str) -> bool:
        case, body = event.recorder.cases[case_id].value, event.recorder.interactions[case_id].request.body
        wrong = (
            [place.value for place, info in case.meta.components.items() if info.mode.is_negative] if case.meta else []
        )
        return check == "negative_data_rejection" and wrong == ["body"] and body is not None and self.accepts(body)

    def lose(self, case: Any, request: requests.PreparedRequest, target: Target) -> None:
        """Count a request that was not answered: schemathesis forgets some of these."""
        self._lost.add(case.id)
        sent = Interaction(Request.from_prepared_request(request), None)
        self._count(case.meta.phase.name.value, case, sent, target)

    def _count(self, phase: str, case: Any, interaction: Interaction, target: Target) -> None:
        self.phases[phase] += 1
        # The check of authentication repeats a valid request without the key: that one is to be refused.
        given = next(iter(interaction.request.headers.get("Authorization") or ()), None)
        has_key = target.key is None or given == f"Bearer {target.key}"
        if has_key and case.meta is not None and case.meta.generation.mode.is_positive:
            self.num_valid += 1
            self.num_served += interaction.response is not None and 200 <= interaction.response.status_code < 300
        request = interaction.request
        self._digest.update(f"{request.method} {request.uri.removeprefix(target.url)}\n".encode())
        self._digest.update((request.body or b"") + b"\n")

    def fuzzed(self, operation: str) -> FuzzedOperation:
        """Return what the reports say of the requests."""
        return FuzzedOperation(
            operation, dict(self.phases), self.num_valid, self.num_served, self._digest.hexdigest()[:16]
        )


def _described(event: events.ScenarioFinished, case_id: str, failure: str, target: Target) -> tuple[str, str]:
    interaction = event.recorder.interactions[case_id]
    response, request = interaction.response, interaction.request
    answer = f"{response.status_code} {response.content[:400]!r}" if response else "nothing"
    content_type = next(iter(request.headers.get("Content-Type") or ()), None)
    repeat = curl_of(request.method, request.uri, content_type, request.body, target)
    return f"{failure}\n-> {answer}", repeat


def curl_of(method: str | None, url: str | None, content_type: str | bytes | None, body: Any, target: Target) -> str:
    """Return the shell line that sends a fuzzed request again."""
    raw = body.encode() if isinstance(body, str) else body
    if isinstance(content_type, bytes):
        content_type = content_type.decode("latin-1")
    headers = {"Content-Type": content_type} if content_type else {}
    return SentRequest(
        method or "GET", url or target.url, headers, raw or None, "" if target.key is None else OWN
    ).curl()
