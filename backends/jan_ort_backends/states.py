"""What a slot holds as bytes that say of themselves whose they are, and whether they are whole."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends.errors import BackendError, BadInput, OutOfMemory, Unsupported

State = NDArray[np.uint8]
"""What a slot holds as bytes, uint8 ``(n,)``: ``pack_state`` writes them, and ``unpack_state`` checks them."""

_MAGIC = b"janort01"
_HEADER = np.dtype([("magic", "S8"), ("key", "V16"), ("length", "<i8"), ("num_bytes", "<i8"), ("digest", "V24")])
_ALIGNMENT = _HEADER.itemsize
_DIGEST_BYTES = 24
_BLOCK = 2**13
"""Words whose sum is a part of the digest: hashing each byte would take ten times as long as copying it."""


def check_state(saved: object) -> State:
    """Return what ``Session.save`` has returned, once it is bytes. Raises: BackendError."""
    if not isinstance(saved, np.ndarray) or saved.dtype != np.uint8 or saved.ndim != 1:
        raise BackendError(f"save returned {type(saved).__name__}; it must return a one-dimensional array of uint8")
    return saved


def pack_state(key: str | None, length: int, arrays: Sequence[NDArray[Any]]) -> State:
    """Return arrays, which hold ``length`` tokens of a slot, as bytes: uint8 ``(n,)``. Each is copied once.

    ``key`` is the session's ``SessionInfo.state_key``. Raises: OutOfMemory; Unsupported without a key.
    """
    if key is None:
        raise Unsupported("state")
    places = _places([(array.dtype, array.shape) for array in arrays])
    try:
        state = np.empty(places[-1], np.uint8)
    except MemoryError as error:
        raise OutOfMemory(f"no memory for a slot's state of {places[-1]} bytes") from error
    for array, begin, end in zip(arrays, places, places[1:], strict=False):
        state[begin + array.nbytes : end] = 0
        state[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)[...] = array
    header = state[:_ALIGNMENT].view(_HEADER)
    header[0] = (_MAGIC, _key(key), length, len(state), b"")
    header["digest"] = np.void(_digest(state))
    return state


def checked_length(state: State, key: str | None, context_length: int) -> int:
    """Return the number of tokens in a state of a session with this key, once all of it has been checked.

    Raises: BadInput naming what is wrong; Unsupported without a key.
    """
    if key is None:
        raise Unsupported("state")
    if not isinstance(state, np.ndarray) or state.dtype != np.uint8 or state.ndim != 1 or not state.flags.c_contiguous:
        raise BadInput("state", "is not a contiguous one-dimensional array of uint8")
    if len(state) < _ALIGNMENT or state[:8].tobytes() != _MAGIC:
        raise BadInput("state", "does not begin as a slot's state does")
    header = state[:_ALIGNMENT].view(_HEADER)[0]
    if header["key"].tobytes() != _key(key):
        raise BadInput("state", "was saved by another model, runtime or machine")
    if header["num_bytes"] != len(state) or len(state) % _ALIGNMENT or header["digest"].tobytes() != _digest(state):
        raise BadInput("state", "is damaged")
    if header["length"] > context_length:
        raise BadInput("state", f"holds {header['length']} tokens and a slot {context_length}")
    return int(header["length"])


def unpack_state(state: State, specs: Sequence[tuple[np.dtype[Any], tuple[int, ...]]]) -> list[NDArray[Any]]:
    """Return the arrays of a checked state, as views; ``specs`` are their types and shapes. Raises: BadInput."""
    places = _places(specs)
    if len(state) != places[-1]:
        raise BadInput("state", f"has {len(state)} bytes; so many tokens have {places[-1]}")
    sizes = [math.prod(shape) * dtype.itemsize for dtype, shape in specs]
    return [
        state[begin : begin + size].view(dtype).reshape(shape)
        for (dtype, shape), begin, size in zip(specs, places, sizes, strict=False)
    ]


def _places(specs: Sequence[tuple[np.dtype[Any], tuple[int, ...]]]) -> list[int]:
    """Return where each array begins, and where the last one ends."""
    places = [_ALIGNMENT]
    for dtype, shape in specs:
        places.append(places[-1] + -(-math.prod(shape) * dtype.itemsize // _ALIGNMENT) * _ALIGNMENT)
    return places


def _key(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


def bytes_digest(content: State) -> bytes:
    """Return a digest of bytes, uint8 ``(n,)``: where any single one is another, it is another. As fast as a copy."""
    words = content[: len(content) // 8 * 8].view(np.uint64)
    whole = len(words) // _BLOCK * _BLOCK
    sums = words[:whole].reshape(-1, _BLOCK).sum(axis=1, dtype=np.uint64)
    rest = words[whole:].sum(dtype=np.uint64).tobytes() + content[len(words) * 8 :].tobytes()
    return hashlib.blake2b(sums.tobytes() + rest, digest_size=_DIGEST_BYTES).digest()


def _digest(state: State) -> bytes:
    """Return a digest of all but itself."""
    header = state[: _ALIGNMENT - _DIGEST_BYTES].tobytes()
    return hashlib.blake2b(header + bytes_digest(state[_ALIGNMENT:]), digest_size=_DIGEST_BYTES).digest()
