"""A server with one fault is blamed for it by the checks that are about it, and by no other that meets it."""

from __future__ import annotations

import pytest

from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.http.server.declaration import Declaration
from jan_ort_conformance.verdicts.verdict import Level
from tests.conformance.kit.broken_server import KEY, BrokenServer
from tests.conformance.kit.faults import Fault
from tests.conformance.kit.one_cause import ONE_CAUSE

pytestmark = pytest.mark.usefixtures("sound_afterwards")


@pytest.mark.parametrize(("fault", "about", "beside"), ONE_CAUSE, ids=[fault.name for fault, *_ in ONE_CAUSE])
def test_only_the_checks_about_a_fault_blame_a_server_for_it(
    server: BrokenServer, url: str, fault: Fault, about: set[str], beside: set[str]
) -> None:
    server.plant(fault)

    results = run_http(HttpOptions(url, key=KEY, level=Level.FULL, only=(*about, *beside), fuzz=False))

    assert {case.id for case in results.cases if case.verdict.is_bad} == about
    assert {case.id for case in results.cases} == about | beside


def test_a_member_of_other_roles_is_not_declared_for_the_user() -> None:
    def message(role: str, *names: str) -> dict[str, object]:
        return {"properties": {"role": {"const": role}, "content": {}, **{name: {} for name in names}}}

    def has_name(*messages: dict[str, object]) -> bool:
        schema = {"properties": {"messages": {"type": "array", "items": {"anyOf": [*messages]}}}}
        content = {"application/json": {"schema": schema}}
        document = {"paths": {"/v1/chat/completions": {"post": {"requestBody": {"content": content}}}}}
        return Declaration(document, True, None, None).has("/v1/chat/completions messages.name")

    assert not has_name(message("user"), message("function", "name"))
    assert has_name(message("user", "name"), message("function", "name"))
