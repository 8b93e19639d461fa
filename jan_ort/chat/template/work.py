"""What one rendering of a chat template has cost so far, and the most that it may (hop 3).

Work is counted in units: a character is 1 (``WIDE`` in a text that is not all ASCII), an item of a list and a turn of a
loop are ``ITEM``. What is counted is counted before it is done, so that the count bounds memory as well as time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, MappingView
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

ITEM = 16
"""Units of one item: about what a Python object costs beside the characters of a text."""

WIDE = 4
"""Units of a character of a text that is not all ASCII: the bytes that it may take."""

BASE_WORK = 16 * 2**20
"""Units that every rendering may use: a million turns of a loop, or 16 MB of text."""

WORK_PER_CHARACTER = 64
"""Units more for each unit of messages and tools: templates cut, strip and copy every message a few times."""

MAX_INTEGER_BITS = 1024
"""Bits of an integer that a template computes; what it is given may have more."""

MAX_DEPTH = 1000
"""Lists in one another: Python hashes nested tuples in recursion, and a deeper one overflows the stack of C."""

_HASHED_AS_THEY_ARE_BITS = 60
_MAYBE_SAME_HASH = 4096

_LOOK_AT_CLOCK = 16 * ITEM
_CONTAINERS = (list, tuple, dict, set, frozenset, MappingView)
_MAX_DIGITS = 20
# Possessive, so that nothing is tried twice.
_PERCENT_WIDTH = re.compile(r"%(?:\([^)]*+\))?+[-#0 +]*+(\d*+)(?:\.(\d*+))?+")
_PERCENT_STAR = re.compile(r"%(?:\([^)]*+\))?+[-#0 +]*+\d*+\.?+\d*+\*")
_BRACES_SPEC = re.compile(r"\{[^{}:]*:([^{}]*)")
_BRACES_NESTED = re.compile(r"\{[^{}]*\{")


class WorkExceeded(Exception):
    """Raised when a template asks for more than a rendering may cost."""


class Work:
    """The units and the processor time that are left for one rendering, on the thread that made it."""

    def __init__(self, units: int, cpu_s: float) -> None:
        self.left = units
        self._cpu_s = cpu_s
        # The thread's own time: a busy machine must not make a template fail. It is dear to ask for, and never more
        # than the time that has passed, so that is asked first.
        self._until = time.thread_time() + cpu_s
        self._look_again = time.monotonic() + cpu_s
        self._next_look = units

    def spend(self, units: int) -> None:
        """Count ``units``. Raises: WorkExceeded."""
        self.left -= units
        if self.left < self._next_look:
            self._look()

    def spend_on(self, value: Any) -> None:
        """Count a value with all that it holds. Raises: WorkExceeded."""
        if isinstance(value, str):
            self.spend(len(value) * width(value))
        elif isinstance(value, (*_CONTAINERS, range)):
            self.spend(deep_size(value, self.left))
        elif isinstance(value, int):
            check_integer(value.bit_length())

    def spend_on_items(self, value: Any) -> None:
        """Count the characters of a text or the items of a list, not what the items hold. Raises: WorkExceeded."""
        if isinstance(value, str):
            self.spend(len(value) * width(value))
        elif isinstance(value, (*_CONTAINERS, range)):
            self.spend(ITEM * len(value))
        elif isinstance(value, int):
            check_integer(value.bit_length())

    def _look(self) -> None:
        if self.left < 0:
            raise WorkExceeded("it builds too much text, too long lists or takes too many turns")
        now = time.monotonic()
        if now > self._look_again:
            left_s = self._until - time.thread_time()
            if left_s < 0:
                raise WorkExceeded(f"it takes more than {self._cpu_s:g} s")
            self._look_again = now + left_s
        self._next_look = max(self.left - _LOOK_AT_CLOCK, 0)


_WORK: ContextVar[Work] = ContextVar("work")


def current_work() -> Work:
    """Return the work of the rendering that runs in this context."""
    return _WORK.get()


@contextmanager
def counting(work: Work) -> Iterator[None]:
    """Count on ``work`` what is rendered inside."""
    token = _WORK.set(work)
    try:
        yield
    finally:
        _WORK.reset(token)


def is_container(value: Any) -> bool:
    """Say whether a value holds others, so that comparing or writing it costs what those cost."""
    return isinstance(value, _CONTAINERS)


def width(*texts: Any) -> int:
    """Return the units of one character of a text made of these: Python stores all as wide as the widest."""
    return WIDE if any(isinstance(text, str) and not text.isascii() for text in texts) else 1


def deep_size(value: Any, at_most: int) -> int:
    """Return the units of ``value`` with all that it holds, counted as often as it is reached.

    Lists that hold one list twice, forty levels deep, are written as 2^40 items: the walk ends beyond ``at_most``.
    Raises: WorkExceeded where lists are nested too deeply.
    """
    total = 0
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                total += len(item) if item.isascii() else WIDE * len(item)
            elif isinstance(item, (*_CONTAINERS, range)):
                total += ITEM * len(item) * (1 + isinstance(item, dict))
                if total > at_most:
                    return total
                if isinstance(item, dict):
                    below += item.values()
                if isinstance(item, range):
                    total += _MAYBE_SAME_HASH * len(item) * (_is_long(item.start) or _is_long(item.stop))
                else:
                    below.extend(item)  # type: ignore[arg-type]  # a view can be iterated, but is not declared so
            elif isinstance(item, int) and _is_long(item):
                total += _MAYBE_SAME_HASH  # a dictionary of integers that share a hash compares each with each
        if not below:
            return total
        level = below
    raise WorkExceeded(f"it nests lists more than {MAX_DEPTH} deep")


def _is_long(integer: int) -> bool:
    """Whether there may be others of the same hash."""
    return integer.bit_length() > _HASHED_AS_THEY_ARE_BITS


def check_integer(num_bits: int) -> None:
    """Refuse an integer that takes long to compute with. Raises: WorkExceeded."""
    if num_bits > MAX_INTEGER_BITS:
        raise WorkExceeded(f"it computes with integers of more than {MAX_INTEGER_BITS} bits")


def spend_on_power(base: Any, exponent: Any) -> None:
    """Refuse an integer power too long to compute. Raises: WorkExceeded."""
    if isinstance(base, int) and isinstance(exponent, int):
        check_integer(base.bit_length() * exponent)


def spend_on_product(work: Work, left: Any, right: Any) -> None:
    """Count a product before it is made: of integers, or of a text or list and an integer. Raises: WorkExceeded."""
    if isinstance(left, int) and isinstance(right, int):
        check_integer(left.bit_length() + right.bit_length())
    else:
        count, value = (left, right) if isinstance(left, int) else (right, left)
        if isinstance(count, int):
            work.spend(deep_size(value, work.left) * max(count, 0))


def spend_on_percent(work: Work, pattern: str, values: Any) -> None:
    """Count ``pattern % values`` before it is made. Raises: WorkExceeded."""
    work.spend(len(pattern) + pattern.count("%") * (2 * ITEM + deep_size(values, work.left)))
    work.spend(pattern.count("%(") * len(pattern))  # each looks for its end
    if _PERCENT_STAR.search(pattern):
        raise WorkExceeded("it takes the width of a field from a value ('*')")
    work.spend(sum(_number(digits) for found in _PERCENT_WIDTH.findall(pattern) for digits in found if digits))


def spend_on_format(work: Work, pattern: str, values: Any) -> None:
    """Count ``pattern.format(*values)`` before it is made. Raises: WorkExceeded."""
    if _BRACES_NESTED.search(pattern.replace("{{", "")):
        raise WorkExceeded("it takes the width of a field from a value ('{…{}}')")
    work.spend(len(pattern) + pattern.count("{") * (2 * ITEM + deep_size(values, work.left)))
    specs = _BRACES_SPEC.findall(pattern)
    work.spend(sum(_number(digits) for spec in specs for digits in re.findall(r"\d+", spec)))


def _number(digits: str) -> int:
    """Return the number, or a large one where Python would not read so many digits."""
    return int(digits) if len(digits) < _MAX_DIGITS else 10**_MAX_DIGITS


def spend_on_replace(work: Work, text: str, old: str, new: str) -> None:
    """Count ``text.replace(old, new)`` before it is made. Raises: WorkExceeded."""
    work.spend((len(text) + text.count(old) * len(new)) * width(text, new))
