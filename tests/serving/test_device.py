"""The list of models says where each one runs now, which may be elsewhere after its device was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from quart import Quart

from jan_ort_backends import DeviceLost, DeviceReport, OpenOptions, SlotTokens, StepOutput, register, unregister
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from tests.http.handlers.serving import COMPLETIONS, EMBEDDINGS, post, serving
from tests.serving.several import copied, listed

GONE = DeviceLost("the GPU fell off the bus", recoverable=True)


class Movable(ReferenceSession):
    """A reference session on a device that is lost by the first call."""

    def __init__(self, device: str, options: OpenOptions) -> None:
        super().__init__(options.num_slots, options.context_length or 512)
        self.info = replace(self.info, device=DeviceReport(requested="gpu", used=device))

    def _check(self) -> None:
        if self.info.device.used == "gpu":
            raise GONE

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        self._check()
        return super().step(batch)

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        self._check()
        return super().embed(batch)


class MovableBackend(ReferenceBackend):
    """Opens a model on the GPU first, and on the CPU from then on."""

    name = "movable"

    def __init__(self) -> None:
        self._devices = ["gpu"]

    def open(self, model_dir: Path, options: OpenOptions) -> Movable:
        return Movable(self._devices.pop() if self._devices else "cpu", options)


@pytest.fixture
async def app(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Quart]:
    register(MovableBackend())
    try:
        async with serving(backend="movable", model=copied(tmp_path, "ada", task=request.param)) as app:
            yield app
    finally:
        unregister("movable")


@pytest.mark.parametrize(
    ("app", "path", "body"),
    [("generate", COMPLETIONS, {"prompt": "a", "max_tokens": 1}), ("embed", EMBEDDINGS, {"input": "a"})],
    indirect=["app"],
)
async def test_a_model_that_was_opened_again_is_listed_on_its_new_device(
    app: Quart, path: str, body: dict[str, Any]
) -> None:
    client = app.test_client()
    before = (await listed(client))["ada"]["device"]["used"]

    first, _ = await post(client, path, body)
    async with asyncio.timeout(10):  # the engine opens it by itself, and an embedding model at the next request
        while (await post(client, path, body))[0] != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert first == 503
    assert (before, (await listed(client))["ada"]["device"]["used"]) == ("gpu", "cpu")
