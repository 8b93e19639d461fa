"""JSON answers: a small one at once, a large one in pieces, which other threads write beside the event loop (hop 9)."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from quart import Response

from jan_ort.ground.worker_pool import WorkerPool

LARGE = 4096
"""Values of an answer, or a piece of one, from which it is not written on the event loop: they take it about 5 ms."""

VALUE_CHARACTERS = 16
"""Characters of text that take as long to write as one value."""

_PIECE_CHARACTERS = 2**18
_SLICE = 2**14

# An answer that is computed already is never refused: what waits here is bounded by the requests there are.
_writing = WorkerPool("answer", 2, sys.maxsize)

_Result = TypeVar("_Result")


async def beside(weight: int, work: Callable[[], _Result]) -> _Result:
    """Return what ``work`` returns, which writes about ``weight`` values; many are not written on the event loop."""
    return work() if weight < LARGE else await _writing.run(work)


async def json_answer(make: Callable[[], Mapping[str, Any]], weight: int) -> Response:
    """Answer with the object that ``make`` returns, of about ``weight`` values.

    A list in it may be an iterator or an array of numbers: a large answer then never exists as a whole.
    """
    if weight < LARGE:
        return _response(json.dumps(make(), default=_as_list, separators=(",", ":")))
    pieces = await _writing.run(lambda: _joined(_written(make())))
    first, second = [await _writing.run(lambda: next(pieces, "")) for _ in range(2)]
    return _response(_rest(first, second, pieces) if second else first)


def _response(body: str | AsyncIterator[str]) -> Response:
    return Response(body, content_type="application/json")


async def _rest(first: str, second: str, pieces: Iterator[str]) -> AsyncIterator[str]:
    yield first
    while second:
        yield second
        second = await _writing.run(lambda: next(pieces, ""))


def _joined(parts: Iterator[str]) -> Iterator[str]:
    """Yield the parts in pieces of a size that is worth a turn of the event loop."""
    piece: list[str] = []
    size = 0
    for part in parts:
        piece.append(part)
        size += len(part)
        if size >= _PIECE_CHARACTERS:
            yield "".join(piece)
            piece, size = [], 0
    yield "".join(piece)


def _written(value: Any) -> Iterator[str]:
    """Yield the JSON of a value in parts, none of which takes long: the lock is held for each of them."""
    if isinstance(value, Mapping):
        yield "{"
        for at, (key, each) in enumerate(value.items()):
            yield f"{',' if at else ''}{json.dumps(key)}:"
            yield from _written(each)
        yield "}"
    elif isinstance(value, Iterator):
        yield "["
        for at, each in enumerate(value):
            yield "," if at else ""
            yield from _written(each)
        yield "]"
    elif isinstance(value, np.ndarray | str) and len(value) > _SLICE:
        yield '"' if isinstance(value, str) else "["
        for start in range(0, len(value), _SLICE):
            part = json.dumps(value[start : start + _SLICE], default=_as_list)[1:-1]
            yield part if isinstance(value, str) or not start else f",{part}"
        yield '"' if isinstance(value, str) else "]"
    else:
        yield json.dumps(value, default=_as_list, separators=(",", ":"))


def _as_list(value: Any) -> list[Any]:
    """Return the list that an iterator or an array stands for."""
    return value.tolist() if isinstance(value, np.ndarray) else list(value)
