"""What a server is like beside what a check asks: whether its texts repeat, and which common fields have no effect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any, ClassVar

from jan_ort_conformance.http.check_tools.answers import chunks_of, error_of, texts
from jan_ort_conformance.http.check_tools.asker import COMPLETIONS, EMBEDDINGS, FREE, GREEDY, Asker, body_of
from jan_ort_conformance.verdicts.verdict import Violation

_CUT = 16
"""Of a text that is asked for again one token longer, so much must begin it; its end may be half a character."""

_WORDS = 3
"""No token has more words."""


class Habits:
    """Each is asked for once, and only when a violation may rest on it."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._idle: dict[tuple[str, str], bool] = {}

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Ask within what is no part of the check: its fields and its last request stay what they are."""
        asker = self._asker
        kept = asker.needs, asker.sent, asker.has_compared, asker.has_unclear_stop
        asker.begin(())
        try:
            with asker.target.aside():
                yield
        finally:
            asker.needs, asker.sent, asker.has_compared, asker.has_unclear_stop = kept

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
        """Whether a field of ``_IDLE`` has no effect at all in the plainest question."""
        if (path, name) not in self._idle:
            self._idle[path, name] = self._is_without_effect(path, name)
        return self._idle[path, name]

    def _is_without_effect(self, path: str, name: str) -> bool:
        try:
            return self._IDLE[name](self, path)
        except (Violation, LookupError, TypeError, AttributeError):
            return False

    def _choices(self, path: str, **fields: Any) -> list[Any]:
        return list(self._asker.ask(path, **{"max_tokens": 4} | fields)["choices"])

    def _n_is_idle(self, path: str) -> bool:
        return len(self._choices(path, n=2)) == 1

    def _logprobs_are_idle(self, path: str) -> bool:
        return not self._choices(path, logprobs=1 if path == COMPLETIONS else True)[0].get("logprobs")

    def _stop_is_idle(self, path: str) -> bool:
        whole = self._asker.said(path, **GREEDY)
        return bool(whole) and self._asker.said(path, **GREEDY, stop=whole[:1]) == whole

    def _max_tokens_are_idle(self, path: str) -> bool:
        one, more = (self._asker.said(path, **GREEDY | {"max_tokens": most, "min_tokens": 1}) for most in (1, 24))
        return one == more or len(one.split()) > _WORDS

    def _temperature_is_idle(self, path: str) -> bool:
        return len({self._asker.said(path, **FREE | {"seed": seed}) for seed in range(3)}) == 1

    def _seed_is_idle(self, path: str) -> bool:
        return self._asker.said(path, **FREE) != self._asker.said(path, **FREE)

    def _vectors(self, **fields: Any) -> list[Any]:
        found = self._asker.answered(EMBEDDINGS, {"input": "Hello"} | fields)["data"]
        return [each["embedding"] for each in found]

    def _encoding_format_is_idle(self, _: str) -> bool:
        return not isinstance(self._vectors(encoding_format="base64")[0], str)

    def _input_is_idle(self, _: str) -> bool:
        return self._vectors() == self._vectors(input="12345 67890")

    _IDLE: ClassVar = {
        "n": _n_is_idle,
        "logprobs": _logprobs_are_idle,
        "stop": _stop_is_idle,
        "max_tokens": _max_tokens_are_idle,
        "temperature": _temperature_is_idle,
        "seed": _seed_is_idle,
        "encoding_format": _encoding_format_is_idle,
        "input": _input_is_idle,
    }

    @cached_property
    def has_done(self) -> bool:
        """Whether the plainest streams end with [DONE]."""
        try:
            for path in self._asker.generating():
                chunks_of(self._asker.served(path, body_of(path, max_tokens=4, stream=True)))
        except Violation:
            return False
        return True

    @cached_property
    def has_error_objects(self) -> bool:
        """Whether the plainest refusals have OpenAI's error object."""
        try:
            for path in self._asker.generating():
                for body in (b"{", {"model": 5}):
                    error_of(self._asker.post(path, body))
        except Violation:
            return False
        return True


@lru_cache(maxsize=1)
def habits_of(asker: Asker) -> Habits:
    """Return the habits of the server of a run."""
    return Habits(asker)
