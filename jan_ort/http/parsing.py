"""A body's bytes to its model, on the event loop or, if it is large, in threads (hop 2)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

from pydantic import BaseModel

from jan_ort.ground.lock_share import LockShare
from jan_ort.ground.worker_pool import WorkerPool
from jan_ort.http.connection import current_body
from jan_ort.http.unknown_fields import UnknownFields
from jan_ort_openapi import Operation, parse_body

LARGE_BODY_BYTES = 2**16
"""What is not parsed on the event loop: the most hostile body of this size takes it 6 ms."""

LONG_BODY_BYTES = 2**20
"""What one of the threads for bodies is left out for, so that shorter ones need not wait."""

_threads = WorkerPool("body", 2, 512)
"""They parse large bodies; nothing else waits for them, and they for nothing else."""

_share = LockShare()
"""Parsing holds the interpreter's lock for some 25 ms a megabyte: 60 bodies at once held all others up for seconds."""

_Result = TypeVar("_Result")

Step = Callable[[], AbstractContextManager[object]]


async def parsed(operation: Operation, raw: bytes, max_values: int, unknown_fields: UnknownFields) -> BaseModel:
    """Return what the body says. Raises: as ``parse_body``; PoolBusy."""
    parse = partial(_parsed, operation, raw, max_values, unknown_fields)
    if len(raw) < LARGE_BODY_BYTES:
        return parse(nullcontext)
    return await _threads.run(partial(parse, _share.step), is_long=len(raw) >= LONG_BODY_BYTES)


def _parsed(operation: Operation, raw: bytes, max_values: int, unknown_fields: UnknownFields, step: Step) -> BaseModel:
    assert operation.request_model is not None, "it has a body"
    body = parse_body(operation.request_model, raw, max_values, step=step)
    unknown_fields.log(operation.operation_id, body)
    return body


async def beside_bodies(work: Callable[[], _Result]) -> _Result:
    """Return what ``work`` makes of the body of this task's request, which takes about as long as parsing it.

    Raises: what ``work`` does; PoolBusy.
    """
    size = current_body().num_bytes
    if size < LARGE_BODY_BYTES:
        return work()
    return await _threads.run(work, is_long=size >= LONG_BODY_BYTES)
