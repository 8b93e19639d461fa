"""The syntax tree of a GBNF grammar, in llama.cpp's terms: characters, sequences, alternatives, repetitions, rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

LAST_CODE_POINT = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Characters:
    """One character out of ``ranges``: code points, both ends included, sorted, disjoint and at least one."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A text of at least one character."""

    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One item after another; without items, the empty text."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of at least two options."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """``item``, ``minimum`` to ``maximum`` times; None is without end."""

    item: Node
    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True)
class Reference:
    """Another rule by name; ``line`` and ``column`` say where, and do not distinguish two references."""

    name: str
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


Node: TypeAlias = Characters | Literal | Sequence | Choice | Repeat | Reference

EMPTY = Sequence(())


@dataclass(frozen=True, slots=True)
class Grammar:
    """The rules by name, with the line and column of each one's definition; ``root`` is where a text starts."""

    rules: Mapping[str, Node]
    positions: Mapping[str, tuple[int, int]]


def sequence(items: Iterable[Node]) -> Node:
    """Return the items one after another, nested sequences and empty items dissolved."""
    flat: list[Node] = []
    for item in items:
        flat.extend(item.items if isinstance(item, Sequence) else (item,))
    return flat[0] if len(flat) == 1 else Sequence(tuple(flat))


def choice(options: Iterable[Node]) -> Node:
    """Return any one of the options, which are at least one, equal ones once."""
    distinct = tuple(dict.fromkeys(options))
    return distinct[0] if len(distinct) == 1 else Choice(distinct)


def repeat(item: Node, minimum: int, maximum: int | None) -> Node:
    """Return ``item`` repeated; what repeats nothing, or at most zero times, is the empty text."""
    if item == EMPTY or maximum == 0:
        return EMPTY
    return item if minimum == maximum == 1 else Repeat(item, minimum, maximum)


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below ``node``."""
    match node:
        case Sequence(items):
            return items
        case Choice(options):
            return options
        case Repeat(item):
            return (item,)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield ``node`` and every node below it, without following references."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def references(node: Node) -> Iterator[Reference]:
    """Yield the references in ``node``, from left to right."""
    return (found for found in walk(node) if isinstance(found, Reference))


def merged_ranges(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the same code points as sorted, disjoint ranges."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Return every other code point, as sorted, disjoint ranges."""
    others: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if start < low:
            others.append((start, low - 1))
        start = high + 1
    return (*others, (start, LAST_CODE_POINT)) if start <= LAST_CODE_POINT else tuple(others)
