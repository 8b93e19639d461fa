"""No body keeps the event loop's thread busy: the fixture ``short_turns`` fails what is a turn of 250 ms or more."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.http.handlers.serving import Client
from tests.http.hostile_bodies import QUICK, Hostile
from tests.turns import Turns


@pytest.mark.parametrize("hostile", QUICK, ids=lambda each: f"{each.path}: {each.name}")
async def test_a_hostile_body_is_answered_in_short_turns(client: Client, hostile: Hostile) -> None:
    body = await asyncio.to_thread(hostile.body)

    response = await client.post(hostile.path, data=body, headers={"Content-Type": "application/json"})

    assert response.status_code in hostile.statuses, await response.get_data(as_text=True)
    if response.status_code == 400 and hostile.named:
        assert (await response.get_json())["error"]["param"] == hostile.field


async def test_a_turn_is_measured_in_the_cpu_time_of_its_thread() -> None:
    def work() -> None:
        until = time.thread_time() + 0.03
        while time.thread_time() < until:
            pass

    with Turns() as turns:
        await asyncio.to_thread(work)
        elsewhere = turns.longest_s
        asyncio.get_running_loop().call_soon(work)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert elsewhere < 0.03 <= turns.longest_s
    assert "work" in turns.longest
