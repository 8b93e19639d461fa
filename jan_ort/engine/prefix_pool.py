"""Prefixes of prompts beyond those in slots: in memory, and on the disk where that is wanted (hop 5)."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.prefix import Prefix
from jan_ort.engine.prefix_files import PrefixFiles
from jan_ort.engine.slots import MIN_KEPT, reusable_length
from jan_ort_backends import State

logger = logging.getLogger(__name__)


class PrefixPool:
    """Prefixes that slots have let go of, up to ``max_bytes`` of them in memory.

    What makes room is the prefix that was not used for long and is computed again soonest for its size: each has the
    priority of its worth, counted from that of the last one that made room (Cao and Irani 1997, GreedyDual-Size).
    ``cut_anywhere``: a prompt that shares a part of a prefix has that part; else it must have the whole.
    ``num_taken_bytes`` says what others take of ``max_bytes``: sequences that are set aside. Not thread-safe, but the
    counts may be read from any thread.
    """

    def __init__(
        self,
        max_bytes: float,
        *,
        cut_anywhere: bool = True,
        files: PrefixFiles | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._cut_anywhere = cut_anywhere
        self._files = files
        self.num_taken_bytes: Callable[[], float] = lambda: 0
        self._prefixes: defaultdict[tuple[str, bytes], list[Prefix]] = defaultdict(list)  # by how they begin
        self._clock = 0.0
        self._num_uses = 0
        self.num_bytes = 0
        """What the prefixes in memory take."""
        self.num_queries = 0
        """Tokens of prompts that no slot had and that were looked for here."""
        self.num_hits = 0
        """Those of them that were loaded."""
        for stored in () if files is None else files.found():
            self._file_in(Prefix(stored.scope, stored.tokens, None, stored.num_bytes, stored=stored))

    @property
    def num_stored_bytes(self) -> int:
        """What the prefixes on the disk take."""
        return 0 if self._files is None else self._files.num_bytes

    @property
    def is_stored(self) -> bool:
        """Whether prefixes are kept on the disk."""
        return self._files is not None

    @property
    def is_used(self) -> bool:
        """Whether a prefix may be kept at all."""
        return self._max_bytes > 0 or self._files is not None

    def find(self, prompt: NDArray[np.int64], scope: str) -> tuple[Prefix | None, int]:
        """Return the prefix with the most of a prompt, and how many of its tokens that has."""
        near = self._prefixes.get(_beginning(scope, prompt), ()) if len(prompt) > MIN_KEPT else ()
        found = ((prefix, self._reusable(prompt, prefix)) for prefix in near)
        return max(found, key=lambda each: each[1], default=(None, 0))

    def _reusable(self, prompt: NDArray[np.int64], prefix: Prefix) -> int:
        length = reusable_length(prompt, prefix.tokens)
        return length if self._cut_anywhere or length == len(prefix.tokens) else 0

    def has(self, tokens: NDArray[np.int64], scope: str) -> bool:
        """Whether a prefix here serves every prompt that one of these tokens would."""
        near = self._prefixes.get(_beginning(scope, tokens), ())
        return any(self._covers(each.tokens, tokens) for each in near)

    def _covers(self, tokens: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
        """Whether a prefix of ``tokens`` serves every prompt that one of ``others`` would."""
        fits = len(others) <= len(tokens) if self._cut_anywhere else len(others) == len(tokens)
        return fits and np.array_equal(tokens[: len(others)], others)

    def load(self, prefix: Prefix) -> State | None:
        """Return what a slot held, None if it cannot be read any more; a prefix that is used is kept the longer."""
        if prefix.state is None and self._files is not None and prefix.stored is not None:
            prefix.state = self._files.read(prefix.stored)
            if prefix.state is not None:
                self.num_bytes += prefix.num_bytes
        if prefix.state is None:
            self.forget(prefix)
            return None
        state = prefix.state
        self._rank(prefix)
        self.make_room()
        return state

    def add(self, tokens: NDArray[np.int64], scope: str, state: State, *, waits: bool = False) -> None:
        """Keep what a slot held that had just these tokens, in place of prefixes that these begin with.

        With ``waits`` it waits for the disk, if that is behind.
        """
        near = self._prefixes.get(_beginning(scope, tokens), [])
        for each in [each for each in near if self._covers(tokens, each.tokens)]:
            self.forget(each)
        prefix = Prefix(scope, tokens, state, len(state))
        self._file_in(prefix)
        self.num_bytes += prefix.num_bytes
        if self._files is not None and (tokens >= 0).all():  # what stands for an image is another in each process
            prefix.stored = self._files.write(scope, tokens, state, waits=waits)
            self._make_room_on_the_disk(self._files)
        self.make_room()

    def make_room(self) -> None:
        """Let go of what there is no room for in memory; what is on the disk stays there."""
        while self.num_bytes > max(0.0, self._max_bytes - self.num_taken_bytes()):
            least = min((each for each in self._every() if each.state is not None), key=lambda each: each.rank)
            self._clock = max(self._clock, least.rank[0])
            least.state = None
            self.num_bytes -= least.num_bytes
            if least.stored is None:
                self.forget(least)

    def _make_room_on_the_disk(self, files: PrefixFiles) -> None:
        stored = sorted((each for each in self._every() if each.stored is not None), key=lambda each: each.rank)
        for least in stored:
            if files.num_bytes <= files.max_bytes or least.stored is None:
                break
            files.remove(least.stored)
            least.stored = None
            if least.state is None:
                self.forget(least)

    def forget(self, prefix: Prefix) -> None:
        """Drop a prefix, from the disk as well."""
        beginning = _beginning(prefix.scope, prefix.tokens)
        near = self._prefixes.get(beginning, [])
        if prefix not in near:
            return
        near.remove(prefix)
        if not near:
            del self._prefixes[beginning]
        if prefix.state is not None:
            self.num_bytes -= prefix.num_bytes
        if prefix.stored is not None and self._files is not None:
            self._files.remove(prefix.stored)

    def clear(self) -> None:
        """Forget what is in memory: another session computes now."""
        self._prefixes.clear()
        self.num_bytes = 0
        self._files = None

    def close(self) -> None:
        """Finish writing."""
        if self._files is not None:
            self._files.close()

    def _file_in(self, prefix: Prefix) -> None:
        self._rank(prefix)
        self._prefixes[_beginning(prefix.scope, prefix.tokens)].append(prefix)

    def _rank(self, prefix: Prefix) -> None:
        self._num_uses += 1
        prefix.rank = self._clock + prefix.worth, self._num_uses

    def _every(self) -> Iterator[Prefix]:
        for near in self._prefixes.values():
            yield from near


def _beginning(scope: str, tokens: NDArray[np.int64]) -> tuple[str, bytes]:
    return scope, tokens[:MIN_KEPT].tobytes()
