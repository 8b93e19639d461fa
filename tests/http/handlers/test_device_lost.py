"""A lost device as clients see it: 503 with Retry-After, then answers again; other models never notice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from quart import Quart

from jan_ort_backends import DeviceLost, OpenOptions, SlotTokens, StepOutput, register, unregister
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from tests.http.handlers.serving import COMPLETIONS, EMBEDDINGS, engine_of, post, serving, stream, text_of, until

GONE = DeviceLost("the GPU was lost (DXGI_ERROR_DEVICE_REMOVED)", recoverable=True)


class FragileSession(ReferenceSession):
    """A reference session whose device goes away at its next step if ``losses`` says so."""

    losses: list[DeviceLost] = []  # noqa: RUF012  (shared by the sessions of one test, and emptied by it)

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        if self.losses:
            raise self.losses.pop()
        return super().step(batch)


class FragileBackend(ReferenceBackend):
    """The reference backend on a device that can be lost."""

    name = "fragile"

    def open(self, model_dir: Path, options: OpenOptions) -> FragileSession:
        return FragileSession(options.num_slots, options.context_length or 512)


@pytest.fixture
async def fragile() -> AsyncIterator[Quart]:
    register(FragileBackend())
    try:
        async with serving(backend="fragile") as app:
            yield app
    finally:
        FragileSession.losses.clear()
        unregister("fragile")


async def test_a_loss_is_told_to_its_requests_and_the_next_ones_are_answered(fragile: Quart) -> None:
    client = fragile.test_client()
    before = await text_of(client)
    FragileSession.losses.append(GONE)

    response = await client.post(COMPLETIONS, json={"prompt": "Hello"})
    error = (await response.get_json())["error"]
    await until(lambda: engine_of(fragile)._recovery.unavailable is None)

    assert (response.status_code, error["code"], response.headers["Retry-After"]) == (503, "device_lost", "5")
    assert "DXGI_ERROR_DEVICE_REMOVED" in error["message"]
    assert await text_of(client) == before


async def test_a_stream_ends_with_the_loss_as_its_error(fragile: Quart) -> None:
    FragileSession.losses.append(GONE)

    events = await stream(fragile.test_client(), COMPLETIONS, {"prompt": "Hello"})

    assert [event["error"]["code"] for event in events if "error" in event] == ["device_lost"]
    assert "error" in events[-1]


async def test_another_model_is_served_while_one_has_lost_its_device(fragile: Quart) -> None:
    client = fragile.test_client()
    FragileSession.losses.append(DeviceLost("CUDA failure 700", recoverable=False))

    lost, _ = await post(client, COMPLETIONS, {"prompt": "Hello"})
    again, _ = await post(client, COMPLETIONS, {"prompt": "Hello"})
    embedded, _ = await post(client, EMBEDDINGS, {"input": "Hello"})

    assert (lost, again, embedded) == (503, 503, 200)
