"""The kit blames nobody wrongly: what the document and the standards allow passes."""

from __future__ import annotations

import pytest

from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.verdicts.verdict import Level, Verdict
from tests.conformance.kit.broken_server import KEY, BrokenServer, blamed
from tests.conformance.kit.faults import Fault
from tests.conformance.kit.variants import VARIANTS

pytestmark = pytest.mark.usefixtures("sound_afterwards")


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "only"), VARIANTS, ids=[variant.name for variant, _ in VARIANTS])
def test_a_sound_variant_passes(server: BrokenServer, url: str, variant: Fault, only: tuple[str, ...]) -> None:
    server.plant(variant)

    results = run_http(HttpOptions(url, key=KEY, level=Level.FULL, only=only, fuzz=False))

    assert blamed(results) == []
    assert len(results.cases) > 2


def test_a_slow_server_is_waited_for_as_its_tokens_need(server: BrokenServer, url: str) -> None:
    server.plant(Fault("is_slow", ""))

    results = run_http(HttpOptions(url, key=KEY, only=("usage.adds_up",), fuzz=False, timeout=0.5))

    assert {case.verdict for case in results.cases} == {Verdict.PASS}, results.cases
    assert results.duration_s > 1
