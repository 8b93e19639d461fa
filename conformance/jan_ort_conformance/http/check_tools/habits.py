"""What a server is like beside what a check asks: whether its texts repeat, and which common fields have no effect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any

from jan_ort_conformance.http.check_tools.answers import texts
from jan_ort_conformance.http.check_tools.asker import COMPLETIONS, GREEDY, Asker
from jan_ort_conformance.verdicts.verdict import Violation

_CUT = 16
"""Of a text that is asked for again one token longer, so much must begin it; its end may be half a character."""


class Habits:
    """Each is asked for once, and only when a violation may rest on it."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._idle: dict[tuple[str, str], bool] = {}

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Ask within what is no part of the check: its fields and its last request stay what they are."""
        asker = self._asker
        kept = asker.needs, asker.sent, asker.has_compared
        asker.begin(())
        try:
            with asker.target.aside():
                yield
        finally:
            asker.needs, asker.sent, asker.has_compared = kept

    @cached_property
    def is_steady(self) -> bool:
        """Whether a field without effect leaves a greedy text as it is, and one more token goes on with it.

        Else no two texts can be compared.
        """
        try:
            return all(self._repeats(path) for path in self._asker.generating())
        except (Violation, LookupError, TypeError):
            return False

    def _repeats(self, path: str) -> bool:
        longer = {"max_tokens": GREEDY["max_tokens"] + 1, "min_tokens": GREEDY["min_tokens"] + 1}
        asked: list[dict[str, Any]] = [{"user": "a"}, {"user": "b"}, longer, {"user": "a"}]
        first, *others = (texts(self._asker.ask(path, **GREEDY | fields)) for fields in asked)
        (ahead,) = others.pop(1)
        return all(each == first for each in others) and ahead.startswith(first[0][:_CUT])

    def is_idle(self, path: str, name: str) -> bool:
        """Whether ``n`` or ``logprobs`` has no effect at all in the plainest question."""
        if (path, name) not in self._idle:
            self._idle[path, name] = self._is_without_effect(path, name)
        return self._idle[path, name]

    def _is_without_effect(self, path: str, name: str) -> bool:
        value = {"n": 2, "logprobs": 1 if path == COMPLETIONS else True}[name]
        try:
            choices = self._asker.ask(path, max_tokens=4, **{name: value})["choices"]
            return len(choices) == 1 if name == "n" else not choices[0].get("logprobs")
        except (Violation, LookupError, TypeError, AttributeError):
            return False


@lru_cache(maxsize=1)
def habits_of(asker: Asker) -> Habits:
    """Return the habits of the server of a run."""
    return Habits(asker)
