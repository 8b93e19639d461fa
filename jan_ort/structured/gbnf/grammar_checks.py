"""What must hold between the rules of a grammar: a root, every name defined, and an end to every text."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from jan_ort.structured.gbnf.syntax_tree import (
    Choice,
    Grammar,
    Literal,
    Node,
    Reference,
    Repeat,
    Sequence,
    references,
    walk,
)
from jan_ort.structured.grammar_errors import GrammarError

MAX_RULES = 2000
"""The most rules: the matcher's compiler calls itself along a chain of them, and its stack is finite."""
MAX_SHORTEST = 16_384
"""The most characters that any part may need at least: what is forced is worked out at once, however long it is."""
ROOT = "root"


def check(grammar: Grammar) -> dict[str, Node]:
    """Return the rules that ``root`` can reach, root first. Raises: GrammarError."""
    if len(grammar.rules) > MAX_RULES:
        raise GrammarError(1, 1, f"{len(grammar.rules)} rules, but only {MAX_RULES} are allowed", "use fewer rules")
    for body in grammar.rules.values():
        for reference in references(body):
            if reference.name not in grammar.rules:
                raise GrammarError(
                    reference.line,
                    reference.column,
                    f"the rule {reference.name!r} is not defined",
                    f"add a line: {reference.name} ::= ...",
                )
    if ROOT not in grammar.rules:
        raise GrammarError(1, 1, "there is no rule named root, where a text starts", "add a line: root ::= ...")
    reached = reachable(grammar.rules, ROOT)
    ending = _ending(reached)
    endless = [name for name in reached if name not in ending]
    if endless:
        line, column = grammar.positions[endless[0]]
        raise GrammarError(
            line, column, f"the rule {endless[0]!r} matches no text: it never ends", "add an alternative without itself"
        )
    _check_shortest(reached, grammar)
    return reached


def reachable(rules: Mapping[str, Node], start: str) -> dict[str, Node]:
    """Return the rules that a text from ``start`` can use, ``start`` first."""
    reached: dict[str, Node] = {}
    pending = [start]
    while pending:
        name = pending.pop()
        if name not in reached:
            reached[name] = rules[name]
            pending.extend(reference.name for reference in references(rules[name]))
    return reached


def settled(rules: Mapping[str, Node]) -> list[str]:
    """Return the rules in no cycle and above none, each after those that it refers to."""
    waiting = {name: {reference.name for reference in references(body)} for name, body in rules.items()}
    users: dict[str, list[str]] = {name: [] for name in rules}
    for name, used in waiting.items():
        for other in used:
            users[other].append(name)
    done: list[str] = []
    ready = [name for name, used in waiting.items() if not used]
    while ready:
        name = ready.pop()
        done.append(name)
        for user in users[name]:
            waiting[user].discard(name)
            if not waiting[user]:
                ready.append(user)
    return done


def _ending(rules: Mapping[str, Node]) -> set[str]:
    """Return the rules that match at least one finite text: the least fixed point."""
    users: dict[str, set[str]] = {name: set() for name in rules}
    for name, body in rules.items():
        for reference in references(body):
            users[reference.name].add(name)
    ending: set[str] = set()
    pending = set(rules)
    while pending:
        name = pending.pop()
        if name not in ending and _can_end(rules[name], ending):
            ending.add(name)
            pending |= users[name] - ending
    return ending


def max_shortest(rules: Mapping[str, Node]) -> int:
    """Return the largest number of characters that a part of a rule needs at the least."""
    shortest = _shortest_texts(rules)
    return max(_shortest(part, shortest) for body in rules.values() for part in walk(body))


def _check_shortest(rules: Mapping[str, Node], grammar: Grammar) -> None:
    """Raise GrammarError for a part whose shortest text is longer than ``MAX_SHORTEST``."""
    shortest = _shortest_texts(rules)
    for name, body in rules.items():
        if max(_shortest(part, shortest) for part in walk(body)) > MAX_SHORTEST:
            line, column = grammar.positions[name]
            raise GrammarError(
                line,
                column,
                f"the rule {name!r} has a part of more than {MAX_SHORTEST} characters at the least",
                "lower its counts or shorten it",
            )


def _shortest_texts(rules: Mapping[str, Node]) -> dict[str, int]:
    """Return the number of characters of each rule's shortest text, numbers beyond the limit rounded down to it."""
    users: dict[str, set[str]] = {name: set() for name in rules}
    for name, body in rules.items():
        for reference in references(body):
            users[reference.name].add(name)
    shortest = dict.fromkeys(rules, MAX_SHORTEST + 1)
    pending = deque(rules)
    while pending:
        name = pending.popleft()
        length = _shortest(rules[name], shortest)
        if length < shortest[name]:
            shortest[name] = length
            pending.extend(users[name])
    return shortest


def _shortest(node: Node, shortest: Mapping[str, int]) -> int:
    match node:
        case Reference(name):
            length = shortest[name]
        case Sequence(items):
            length = sum(_shortest(item, shortest) for item in items)
        case Choice(options):
            length = min(_shortest(option, shortest) for option in options)
        case Repeat(item, minimum):
            length = minimum * _shortest(item, shortest) if minimum else 0
        case Literal(text):
            length = len(text)
        case _:
            length = 1
    return min(length, MAX_SHORTEST + 1)


def _can_end(node: Node, ending: set[str]) -> bool:
    match node:
        case Reference(name):
            return name in ending
        case Sequence(items):
            return all(_can_end(item, ending) for item in items)
        case Choice(options):
            return any(_can_end(option, ending) for option in options)
        case Repeat(item, minimum):
            return minimum == 0 or _can_end(item, ending)
        case _:
            return True
