"""What a rewritten template calls to say what it does (hop 3)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context, markup_join, str_join

from jan_ort.chat.template.rewriting import COMPARISONS, COUNTED, ITEMS, JOINED, KEY, TURN
from jan_ort.chat.template.work import Work, current_work, is_container, width

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gteq": operator.ge,
    "lt": operator.lt,
    "lteq": operator.le,
    "in": lambda left, right: left in right,
    "notin": lambda left, right: left not in right,
}


def counted_sum(work: Work, left: Any, right: Any) -> Any:
    """Return ``a + b``: most of a template is made of it."""
    if type(left) is str and type(right) is str:
        work.spend((len(left) + len(right)) * width(left, right))
    else:
        # A sum of tuples can be hashed, so it is counted by all that it holds.
        count = work.spend_on if isinstance(left, tuple) else work.spend_on_items
        count(left)
        count(right)
    return left + right


@pass_context
def _turn(_: Context, cost: int) -> bool:
    current_work().spend(cost)
    return True


@pass_context
def _counted(_: Context, value: Any) -> Any:
    current_work().spend_on(value)
    return value


@pass_context
def _joined(context: Context, parts: tuple[Any, ...]) -> Any:
    """Return ``a ~ b``."""
    work = current_work()
    each = width(*parts)
    for part in parts:
        if isinstance(part, str):
            work.spend(len(part) * each)
        else:
            work.spend_on(part)
    return (markup_join if context.eval_ctx.autoescape else str_join)(parts)


@pass_context
def _items(_: Context, value: Any) -> Any:
    current_work().spend_on_items(value)
    return value


@pass_context
def _key(_: Context, key: Any) -> Any:
    """Count a key; hashing a tuple costs what all its items cost."""
    if not isinstance(key, str):
        current_work().spend_on(key)
    return key


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Return the comparison, counted; only one of two containers costs more than its first item."""

    @pass_context
    def counted(_: Context, left: Any, right: Any) -> Any:
        work = current_work()
        if is_container(left):
            work.spend_on(left)
            work.spend_on(right)
        else:
            work.spend_on_items(right)
        return compare(left, right)

    return counted


# jinja2 computes filters of constants while it compiles, but none that takes the context.
METER: dict[str, Callable[..., Any]] = {
    TURN: _turn,
    COUNTED: _counted,
    ITEMS: _items,
    JOINED: _joined,
    KEY: _key,
    **{name: _comparison(_COMPARISONS[each]) for each, name in COMPARISONS.items()},
}
