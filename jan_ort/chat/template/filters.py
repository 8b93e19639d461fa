"""jinja2's filters and tests, counted before they run (hop 3)."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jan_ort.chat.template.work import (
    ITEM,
    WIDE,
    Work,
    current_work,
    is_container,
    spend_on_percent,
    spend_on_replace,
    width,
)

Function = Callable[..., Any]

NOT_FOR_PROMPTS = ("pprint", "striptags", "urlize", "wordwrap", "xmlattr")
"""Filters that write HTML or terminals, and whose time grows faster than their input."""

_COUNTED_TESTS = frozenset(
    "!= < <= == > >= eq equalto filter ge greaterthan gt in le lessthan lower lt ne test upper".split()  # noqa: SIM905
)
_SORTING = ("dictsort", "groupby", "max", "min", "sort", "unique")
_BY_NUMBER = ("batch", "center", "slice", "truncate")


def counted_filters(filters: Mapping[str, Any]) -> dict[str, Function]:
    """Return the filters, each counted; ``tojson`` as transformers defines it."""
    return {name: _counted_filter(name, function) for name, function in filters.items()} | {"tojson": to_json}


def counted_tests(tests: Mapping[str, Any]) -> dict[str, Function]:
    """Return the tests, those counted that read the whole of a value."""
    return {name: _counted_test(test) if name in _COUNTED_TESTS else test for name, test in tests.items()}


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Return JSON as chat templates expect it: no HTML escapes, non-ASCII kept, the order of the keys kept."""
    work = current_work()
    work.spend_on(value)
    work.spend((abs(indent) if isinstance(indent, int) else len(indent or "")) + ITEM)
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    if indent is None and separators is None:
        text = encoder.encode(value)
        work.spend(len(text))
        return text
    # Indentation and separators can be any text: each piece is counted as it is written.
    pieces = []
    for piece in encoder.iterencode(value):
        work.spend(len(piece) + 1)
        pieces.append(piece)
    return "".join(pieces)


def _counted_filter(name: str, function: Function) -> Function:
    # jinja2 marks a filter that gets the context or the environment before its value; wraps() copies the mark.
    passed = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        work = current_work()
        work.spend(ITEM)
        before, rest = args[:passed], list(args[passed:])
        if rest:
            rest[0] = _held(rest[0], work)
        for value in (*rest, *kwargs.values()):
            work.spend_on(value)
        if rest and isinstance(rest[0], str) and width(*rest[1:], *kwargs.values()) > 1:
            work.spend(WIDE * len(rest[0]))
        # Separators and paths of attributes: what they cost, they cost at each item.
        per_item = sum(len(value) for value in (*rest[1:], *kwargs.values()) if isinstance(value, str))
        work.spend(per_item * _length(rest[0]) if rest else 0)
        _spend_on_result(name, rest, kwargs, work)
        result = function(*before, *rest, **kwargs)
        if isinstance(result, Iterator):
            # At once: a chain of lazy filters would overflow the stack of C. A generator still, which is always true.
            return (item for item in _items(result, ITEM + per_item, work))
        work.spend_on_items(result)
        return result

    return counted


def _held(value: Any, work: Work) -> Any:
    """Return a generator's items as a list, so that they can be counted; any other value as it is."""
    return _items(value, ITEM, work) if isinstance(value, Iterator) else value


def _items(iterator: Iterator[Any], cost: int, work: Work) -> list[Any]:
    items = []
    for item in iterator:
        work.spend(cost)
        work.spend_on_items(item)
        items.append(item)
    return items


def _spend_on_result(name: str, args: list[Any], kwargs: dict[str, Any], work: Work) -> None:
    """Count what a filter makes beyond the size of what it is given."""
    numbers = [abs(value) for value in (*args[1:], *kwargs.values()) if isinstance(value, int)]
    value = args[0] if args else None
    if name in _BY_NUMBER:
        work.spend(WIDE * sum(numbers))
    elif name == "round":
        work.spend(sum(numbers) ** 2)  # it computes 10 to that power
    elif name == "indent":
        prefix = max([*numbers, *(len(each) for each in (*args[1:], *kwargs.values()) if isinstance(each, str)), 4])
        work.spend(prefix * (1 + len(str(value).splitlines())))
    elif name == "replace":
        old, new = (args[at] if len(args) > at else kwargs.get(key, "") for at, key in ((1, "old"), (2, "new")))
        spend_on_replace(work, str(value), str(old), str(new))
    elif name == "format" and isinstance(value, str):
        spend_on_percent(work, value, [args[1:], kwargs])
    elif name == "sum" and any(map(is_container, (*args, *kwargs.values()))):
        _refuse_sum_of_lists(value, args[2:] or [kwargs.get("start", 0)], work)
    elif name == "list" and isinstance(value, str):
        work.spend(4 * ITEM * len(value))
    elif name in _SORTING:
        for _ in range(3):
            work.spend_on(value)


def _refuse_sum_of_lists(value: Any, start: list[Any], work: Work) -> None:
    """Count a sum of lists, which copies the sum of the ones before at each of them."""
    if any(map(is_container, start)):
        for _ in range(_length(value)):
            work.spend_on(value)


def _length(value: Any) -> int:
    return len(value) if is_container(value) or isinstance(value, (str, range)) else 0


def _counted_test(function: Function) -> Function:
    @functools.wraps(function)
    def counted(*args: Any) -> Any:
        work = current_work()
        work.spend(ITEM)
        for value in args:
            work.spend_on(value)
        return function(*args)

    return counted
