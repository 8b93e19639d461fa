"""What a server does not declare is judged by the rule that the docs state."""

from __future__ import annotations

import pytest

from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.verdicts.results import Case
from jan_ort_conformance.verdicts.verdict import Level, Verdict
from tests.conformance.kit.broken_server import KEY, BrokenServer
from tests.conformance.kit.faults import Fault
from tests.conformance.kit.smaller_servers import SMALLER

pytestmark = pytest.mark.usefixtures("sound_afterwards")

FEWER_OPERATIONS, PLAIN, FEWER_FIELDS = SMALLER


def judged(url: str, *only: str, level: Level = Level.FULL) -> list[Case]:
    return run_http(HttpOptions(url, key=KEY, level=level, only=only, fuzz=False)).cases


@pytest.mark.parametrize(("level", "verdict"), [(Level.FULL, Verdict.UNSUPPORTED), (Level.STRICT, Verdict.FAIL)])
def test_an_undeclared_field_may_be_ignored_but_not_at_the_level_strict(
    server: BrokenServer, url: str, level: Level, verdict: Verdict
) -> None:
    server.plant(FEWER_FIELDS)

    (case,) = judged(url, "field.completions.best_of", level=level)

    assert case.verdict is verdict
    assert "not declared, and silently ignored: /v1/completions best_of" in case.detail


def test_a_check_that_shows_no_effect_of_an_undeclared_field_is_no_lie(server: BrokenServer, url: str) -> None:
    server.plant(FEWER_FIELDS)

    (case,) = judged(url, "logit_bias.works_with_min_tokens", level=Level.STRICT)

    assert case.verdict is Verdict.UNSUPPORTED
    assert case.detail.startswith("not declared: /v1/completions min_tokens")


@pytest.mark.parametrize("variant", [FEWER_OPERATIONS, PLAIN], ids=["told", "untold"])
def test_what_needs_an_undeclared_operation_is_unsupported(server: BrokenServer, url: str, variant: Fault) -> None:
    server.plant(variant)

    cases = judged(url, "field.count.*", "tokenize.*", "field.*.prompt_token_ids", "field.*.logit_bias")

    passed = {case.id for case in cases if case.verdict is Verdict.PASS}
    assert {case.verdict for case in cases} == {Verdict.PASS, Verdict.UNSUPPORTED}
    assert passed == {"field.completions.logit_bias", "field.chat.logit_bias"}
