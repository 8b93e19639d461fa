"""A large answer, in pieces from other threads, is the same JSON as a small one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from quart import Quart

from jan_ort.http.answering.json_answer import LARGE, json_answer

WRITERS: list[str] = []


def example(length: int) -> Mapping[str, Any]:
    """Return an object with every kind of value, most of them ``length`` long; no more than a thousand rows."""

    def rows() -> Iterator[dict[str, Any]]:
        for at in range(min(length, 1000)):
            WRITERS.append(threading.current_thread().name)
            yield {"at": at, "inner": {"none": iter(()), "numbers": iter([at, None])}}

    text = '"é\\\U0001f600\n' * length
    return {"text": text, "ids": np.arange(length), "floats": np.linspace(0, 1, 3), "rows": rows(), "usage": {"n": [1]}}


def as_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: as_plain(each) for key, each in value.items()}
    if isinstance(value, Iterator | np.ndarray):
        return [as_plain(each) for each in (value.tolist() if isinstance(value, np.ndarray) else value)]
    return value


@pytest.mark.parametrize("weight", [0, LARGE])
@pytest.mark.parametrize("length", [0, 1, 16_385])
async def test_the_answer_is_the_json_of_the_object(length: int, weight: int) -> None:
    async with Quart("test").app_context():
        response = await json_answer(lambda: example(length), weight)

        assert response.content_type == "application/json"
        text = await response.get_data(as_text=True)
    assert await asyncio.to_thread(lambda: json.loads(text) == as_plain(example(length)))


async def test_only_a_small_answer_is_written_by_the_loops_thread() -> None:
    async with Quart("test").app_context():
        for weight, is_here in ((LARGE - 1, True), (LARGE, False)):
            WRITERS.clear()
            await (await json_answer(lambda: example(20_000), weight)).get_data()

            assert (WRITERS[0] == threading.current_thread().name) is is_here
            assert len(set(WRITERS) - {"answer"}) == is_here
