"""A server that has fewer fields than the document, and says so, is never blamed for them.

These are a few; ``tests/endurance/test_fields_taken_away.py`` takes each away, alone and in company.
"""

from __future__ import annotations

import pytest

from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.verdicts.verdict import Level
from tests.conformance.kit.broken_server import KEY, BrokenServer, blamed
from tests.conformance.kit.taken_away import optional_fields, without

pytestmark = pytest.mark.usefixtures("sound_afterwards")

FEW = ("top_k", "min_p", "repeat_penalty", "min_tokens", "seed", "logprobs", "best_of", "stream_options", "grammar")
ONLY = ("stream.*", "stop.*", "usage.*", "seed.*", "field.*.n", "field.*.max_tokens", "field.*.min_tokens", "choices.*")


@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "ignored"])
def test_nine_fields_taken_away_at_once_are_no_fault(server: BrokenServer, url: str, *, refuses: bool) -> None:
    assert set(FEW) <= set(optional_fields())
    server.plant(without(FEW, refuses=refuses))

    results = run_http(HttpOptions(url, key=KEY, level=Level.FULL, only=ONLY, fuzz=False))

    assert blamed(results) == []
    assert len(results.cases) > 20


def test_a_filter_that_cannot_be_turned_off_is_no_fault_of_another(server: BrokenServer, url: str) -> None:
    server.plant(without(("min_p",), refuses=True))

    results = run_http(HttpOptions(url, key=KEY, level=Level.FULL, only=("field.*.top_p",), fuzz=False))

    assert blamed(results) == []
