"""Prefixes beyond slots: which one a prompt finds, and which one makes room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.engine.prefix_files import PrefixFiles
from jan_ort.engine.prefix_pool import MIN_KEPT, PrefixPool
from jan_ort.engine.slots import reusable_length
from tests.engine.running import Tokens

A_TOKEN = 100
"""Bytes of a token's state here."""


def text(family: int, length: int) -> Tokens:
    return np.arange(10_000 * family, 10_000 * family + length)


def state(length: int) -> np.ndarray:
    return np.full(A_TOKEN * length, length % 256, np.uint8)


def add(pool: PrefixPool, tokens: Tokens, scope: str = "") -> None:
    pool.add(tokens, scope, state(len(tokens)))


def found(pool: PrefixPool, prompt: Tokens, scope: str = "") -> int:
    return pool.find(prompt, scope)[1]


def test_a_prompt_finds_what_it_shares_with_a_prefix_of_its_scope() -> None:
    pool = PrefixPool(1e6)
    add(pool, text(1, 100), "a")

    assert found(pool, text(1, 150), "a") == 100
    assert found(pool, np.concatenate([text(1, 60), text(2, 60)]), "a") == 60
    assert found(pool, text(1, 100), "a") == 98, "two are left to compute"
    assert [found(pool, text(1, 150)), found(pool, text(2, 150), "a"), found(pool, text(1, MIN_KEPT), "a")] == [0, 0, 0]


def test_where_a_state_cannot_be_cut_a_prompt_must_have_the_whole() -> None:
    pool = PrefixPool(1e6, cut_anywhere=False)
    for length in (50, 80):
        add(pool, text(1, length))

    assert [found(pool, text(1, num)) for num in (49, 60, 82, 200)] == [0, 50, 80, 80]
    assert pool.has(text(1, 50), "")
    assert not pool.has(text(1, 60), "")


def test_a_longer_prefix_takes_the_place_of_those_it_begins_with() -> None:
    pool = PrefixPool(1e6)
    for length in (50, 80, 120):
        add(pool, text(1, length))

    assert pool.num_bytes == 120 * A_TOKEN
    assert pool.has(text(1, 60), "")


def test_what_was_not_used_for_the_longest_time_makes_room() -> None:
    pool = PrefixPool(300 * A_TOKEN)
    for family in (1, 2, 3):
        add(pool, text(family, 100))
    prefix, _ = pool.find(text(1, 150), "")
    assert prefix is not None
    pool.load(prefix)
    add(pool, text(4, 100))

    assert [found(pool, text(family, 150)) > 0 for family in (1, 2, 3, 4)] == [True, False, True, True]
    assert pool.num_bytes == 300 * A_TOKEN


def test_of_equally_old_ones_the_one_that_is_computed_again_soonest_makes_room() -> None:
    pool = PrefixPool(4400 * A_TOKEN)
    for family, length in ((1, 900), (2, 100), (3, 3400), (4, 100)):
        add(pool, text(family, length))

    assert [found(pool, text(family, 5000)) > 0 for family in (1, 2, 3, 4)] == [True, False, True, True]


def test_what_is_too_large_is_not_kept() -> None:
    pool = PrefixPool(50 * A_TOKEN)
    add(pool, text(1, 100))

    assert (pool.num_bytes, found(pool, text(1, 150))) == (0, 0)


def test_it_leaves_what_others_take() -> None:
    pool = PrefixPool(300 * A_TOKEN)
    for family in (1, 2, 3):
        add(pool, text(family, 100))

    pool.num_taken_bytes = lambda: 150 * A_TOKEN
    pool.make_room()

    assert pool.num_bytes == 100 * A_TOKEN


@given(
    lengths=st.lists(st.tuples(st.integers(0, 3), st.integers(MIN_KEPT, 90), st.sampled_from("ab")), max_size=30),
    asked=st.tuples(st.integers(0, 3), st.integers(1, 99), st.sampled_from("ab")),
    max_tokens=st.integers(0, 500),
    cut_anywhere=st.booleans(),
)
def test_it_holds_no_more_than_it_may_and_finds_the_longest_that_it_holds(
    lengths: list[tuple[int, int, str]], asked: tuple[int, int, str], max_tokens: int, cut_anywhere: bool
) -> None:
    pool = PrefixPool(max_tokens * A_TOKEN, cut_anywhere=cut_anywhere)
    for family, length, scope in lengths:
        if not pool.has(text(family, length), scope):
            add(pool, text(family, length), scope)
        held = list(pool._every())
        assert sum(each.num_bytes for each in held) == pool.num_bytes <= max_tokens * A_TOKEN
    family, length, scope = asked

    prompt = text(family, length)
    own = [each.tokens for each in held if each.scope == scope] if lengths else []
    shared = [(reusable_length(prompt, tokens), len(tokens)) for tokens in own]
    whole = [num for num, num_held in shared if cut_anywhere or num == num_held]
    assert found(pool, prompt, scope) == (max(whole, default=0) if length > MIN_KEPT else 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prefixes"


def test_a_prefix_that_left_the_memory_is_read_from_its_file(folder: Path) -> None:
    pool = PrefixPool(100 * A_TOKEN, files=PrefixFiles(folder, "key", 10**6))
    for family in (1, 2):
        add(pool, text(family, 100))

    prefix, length = pool.find(text(1, 150), "")
    assert prefix is not None
    assert (prefix.state, length) == (None, 100)
    loaded = pool.load(prefix)

    assert np.array_equal(loaded, state(100))
    assert pool.num_bytes == 100 * A_TOKEN
    assert pool.num_stored_bytes == 200 * A_TOKEN
    pool.close()


def test_a_later_process_finds_them(folder: Path) -> None:
    pool = PrefixPool(10**6, files=PrefixFiles(folder, "key", 10**6))
    add(pool, text(1, 100), "of a key")
    pool.close()

    later = PrefixPool(10**6, files=PrefixFiles(folder, "key", 10**6))
    prefix, length = later.find(text(1, 150), "of a key")

    assert (length, found(later, text(1, 150))) == (100, 0)
    assert prefix is not None
    assert np.array_equal(later.load(prefix), state(100))  # type: ignore[arg-type]
    assert later.num_stored_bytes == 100 * A_TOKEN
    later.close()


def test_no_more_is_stored_than_may_be(folder: Path) -> None:
    pool = PrefixPool(0, files=PrefixFiles(folder, "key", 250 * A_TOKEN))
    for family in (1, 2, 3):
        add(pool, text(family, 100))
        pool._files._writer.submit(lambda: None).result()  # type: ignore[union-attr]
    pool.close()

    assert len(list(folder.glob("*/*"))) == 2
    assert [found(pool, text(family, 150)) > 0 for family in (1, 2, 3)] == [False, True, True]


def test_an_image_is_kept_in_memory_only(folder: Path) -> None:
    pool = PrefixPool(10**6, files=PrefixFiles(folder, "key", 10**6))
    tokens = text(1, 100)
    tokens[50] = -7
    add(pool, tokens)
    pool.close()

    assert list(folder.glob("*/*")) == []
    assert found(pool, np.append(tokens, [1, 2, 3])) == 100


def test_a_prefix_that_cannot_be_read_is_forgotten(folder: Path) -> None:
    pool = PrefixPool(0, files=PrefixFiles(folder, "key", 10**6))
    add(pool, text(1, 100))
    prefix, _ = pool.find(text(1, 150), "")
    assert prefix is not None
    pool._files._pending[prefix.stored.path].result()  # type: ignore[union-attr]
    prefix.stored.path.unlink()  # type: ignore[union-attr]

    assert pool.load(prefix) is None
    assert (found(pool, text(1, 150)), pool.num_stored_bytes) == (0, 0)
    pool.close()
