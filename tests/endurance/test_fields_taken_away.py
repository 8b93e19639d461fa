"""Our own app without each optional field of the document, one at a time and nine at a time: nobody is blamed."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.verdicts.verdict import Level
from tests.conformance.kit.broken_server import KEY, BrokenServer, blamed, broken_server, listening
from tests.conformance.kit.taken_away import optional_fields, senders, without


@pytest.fixture(scope="module")
def server() -> BrokenServer:
    return broken_server()


@pytest.fixture(scope="module")
def url(server: BrokenServer) -> Iterator[str]:
    with listening(server) as url:
        yield url


@pytest.fixture(scope="module")
def checks_of(server: BrokenServer, url: str) -> dict[str, set[str]]:
    server.plant(None)
    return senders(url, KEY)


def _groups() -> list[tuple[str, ...]]:
    names = optional_fields()
    mixed = random.Random(1).sample(names, len(names))
    return [*((name,) for name in names), *(tuple(mixed[at : at + 9]) for at in range(0, len(mixed), 9))]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "ignored"])
@pytest.mark.parametrize("names", _groups(), ids="+".join)
def test_what_is_taken_away_is_no_fault(
    server: BrokenServer, url: str, checks_of: dict[str, set[str]], names: tuple[str, ...], *, refuses: bool
) -> None:
    only = sorted(set().union(*(checks_of.get(name, set()) for name in names)))
    assert only, f"no check sends any of {names}"
    server.plant(without(names, refuses=refuses))

    results = run_http(HttpOptions(url, key=KEY, level=Level.FULL, only=tuple(only), fuzz=False))

    assert blamed(results) == []
