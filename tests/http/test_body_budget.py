"""The memory of all bodies together: it is bounded, and an honest body does not give way to those left half-sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jan_ort.http import body_budget
from jan_ort.http.body import RequestBody
from jan_ort.http.body_budget import SMALL_BYTES, BodiesTooLarge, BodyBudget, allowed_bytes
from jan_ort.settings.schema import SettingsError
from tests.http.handlers.serving import reference_settings

MB = 2**20


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("jan_ort.http.body.time", clock)
    monkeypatch.setattr(body_budget, "time", clock)
    return clock


def begun(budget: BodyBudget, *parts: bytes) -> RequestBody:
    body = RequestBody(budget, None)
    for each in parts:
        body.append(each)
    return body


async def outcome(body: RequestBody) -> bytes | Exception:
    body.set_complete()
    try:
        return await body.whole()
    except Exception as error:
        return error


async def test_the_longest_kept_bytes_give_way_to_a_new_body(clock: Clock) -> None:
    budget = BodyBudget(10 * MB)
    old_and_small = begun(budget, b"a" * 100)
    old_and_large = begun(budget, b"a" * 5 * MB)
    clock.now = 10.0
    large = begun(budget, b"a" * 5 * MB)
    clock.now = 10.1
    new = begun(budget, b"a" * 4 * MB)

    error = await outcome(old_and_large)
    assert isinstance(error, BodiesTooLarge)
    assert f"{10 * MB + 100} bytes; at most {10 * MB} are allowed (JAN_ORT_BODY_MEMORY_MB)" in str(error)
    assert [type(await outcome(each)) for each in (old_and_small, large, new)] == [bytes] * 3


async def test_one_that_trickles_gives_way_to_many_new_ones(clock: Clock) -> None:
    budget = BodyBudget(4 * MB)
    slow = begun(budget, b"a" * MB)
    for clock.now in (1.0, 2.0, 3.0):
        slow.append(b"a")
    honest = [begun(budget, b"a" * MB) for _ in range(4)]

    assert isinstance(await outcome(slow), BodiesTooLarge)
    assert [type(await outcome(each)) for each in honest] == [bytes] * 4


async def test_whole_bodies_stay_and_leave_room_for_small_ones(clock: Clock) -> None:
    budget = BodyBudget(8 * MB)
    whole = begun(budget, b"a" * 8 * MB)
    whole.set_complete()
    large, small = begun(budget, b"a" * (SMALL_BYTES + 1)), begun(budget, b"a" * SMALL_BYTES)

    assert isinstance(await outcome(large), BodiesTooLarge)
    assert len(await whole.whole()) == 8 * MB
    assert await outcome(small) == b"a" * SMALL_BYTES


async def test_a_body_is_counted_until_it_is_let_go(clock: Clock) -> None:
    budget = BodyBudget(MB)
    for _ in range(3):
        body = begun(budget, b"a" * MB)
        body.set_complete()
        assert len(await body.whole()) == MB
        body.discard()


async def test_what_comes_after_the_answer_has_begun_is_dropped() -> None:
    budget = BodyBudget(MB)
    unread = begun(budget, b"a" * MB)
    unread.discard()
    for _ in range(8):
        unread.append(b"a" * MB)

    assert await outcome(begun(budget, b"a" * MB)) == b"a" * MB


async def test_too_little_memory_is_an_error_of_that_body(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(bytearray):
        def __iadd__(self, data: Any) -> Any:
            raise MemoryError

    budget = BodyBudget(MB)
    body = begun(budget)
    body._received = Full()
    body.append(b"a" * MB)

    assert isinstance(await outcome(body), MemoryError)
    assert await outcome(begun(budget, b"a" * MB)) == b"a" * MB


async def test_a_waiting_reader_hears_of_it(clock: Clock) -> None:
    budget = BodyBudget(MB)
    body = begun(budget, b"a" * MB)
    reading = asyncio.create_task(body.whole())
    await asyncio.sleep(0)
    clock.now = 1.0
    begun(budget, b"a" * MB)

    async with asyncio.timeout(5):
        with pytest.raises(BodiesTooLarge):
            await reading


def test_the_default_is_a_share_of_memory_and_never_less_than_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_budget, "available_bytes", lambda: 1024 * MB)

    assert allowed_bytes(reference_settings()) == 64 * MB
    assert allowed_bytes(reference_settings(max_body_bytes=100 * MB)) == 100 * MB
    assert allowed_bytes(reference_settings(body_memory_mb=20)) == 20 * MB


def test_a_budget_that_holds_no_body_is_refused_with_both_numbers() -> None:
    with pytest.raises(SettingsError, match=r"--body-memory-mb .* is 8: one body may have 16777216 bytes"):
        reference_settings(body_memory_mb=8)
