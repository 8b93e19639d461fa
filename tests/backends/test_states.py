"""What a slot holds as bytes: the same arrays again, or an error that names what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort_backends import BackendError, BadInput, State, Unsupported
from jan_ort_backends.states import check_state, checked_length, pack_state, unpack_state

SPECS = [(np.dtype(np.float32), (3, 2, 5)), (np.dtype(np.float16), (7,)), (np.dtype(np.int64), (0, 4))]


def arrays(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 99, shape).astype(dtype) for dtype, shape in SPECS]


def packed(key: str = "key", length: int = 5) -> State:
    return pack_state(key, length, arrays())


def test_arrays_come_back_with_their_length() -> None:
    state = packed()

    assert checked_length(state, "key", 5) == 5
    for before, after in zip(arrays(), unpack_state(state, SPECS), strict=True):
        assert (after.dtype, after.tolist()) == (before.dtype, before.tolist())


def test_parts_of_an_array_are_packed_as_they_are_seen() -> None:
    whole = np.arange(240, dtype=np.float32).reshape(2, 3, 40)
    part = whole[:, 1:, ::3]

    (found,) = unpack_state(pack_state("key", 1, [part]), [(part.dtype, part.shape)])

    assert np.array_equal(found, part)


@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_changed_bit_is_found(at: int, bit: int) -> None:
    state = packed()
    state[at % len(state)] ^= 1 << bit

    with pytest.raises(BadInput, match="state: "):
        checked_length(state, "key", 5)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (packed("other"), "another model, runtime or machine"),
        (packed(length=6), "holds 6 tokens and a slot 5"),
        (packed()[:-1], "is damaged"),
        (packed()[:70], "is damaged"),
        (packed()[:10], "does not begin as"),
        (np.zeros(500, np.uint8), "does not begin as"),
        (packed().astype(np.int64), "contiguous one-dimensional array of uint8"),
        (packed().reshape(2, -1), "contiguous one-dimensional array of uint8"),
        (np.repeat(packed(), 2)[::2], "contiguous one-dimensional array of uint8"),
        (b"bytes", "contiguous one-dimensional array of uint8"),
    ],
)
def test_what_is_wrong_is_told(state: State, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        checked_length(state, "key", 5)


def test_bytes_of_other_shapes_are_refused() -> None:
    with pytest.raises(BadInput, match="bytes; so many tokens have"):
        unpack_state(packed(), SPECS[:1])


def test_without_a_key_nothing_is_saved_or_loaded() -> None:
    for call in (lambda: pack_state(None, 1, []), lambda: checked_length(packed(), None, 5)):
        with pytest.raises(Unsupported, match="'state'"):
            call()


@pytest.mark.parametrize("saved", [b"bytes", None, np.zeros(3), np.zeros((2, 2), np.uint8)])
def test_a_plugin_that_saves_something_else_is_told_so(saved: object) -> None:
    with pytest.raises(BackendError, match="must return a one-dimensional array of uint8"):
        check_state(saved)
