"""How long an answer may get that a fuzzed request asks for: the field that limits it, by operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    MESSAGES,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    RESPONSES,
)


@dataclass(frozen=True, slots=True)
class Limit:
    """``names`` are the fields, the first that is given counts, the last is added where none is, unless it is required.

    ``endless`` are numbers that mean as many tokens as there is room for; ``least`` is the smallest that all servers
    take; ``within`` is the member of the body that holds the field.
    """

    names: tuple[str, ...]
    endless: tuple[int, ...] = ()
    least: int = 1
    is_required: bool = False
    within: str = ""

    def bounded(self, body: dict[str, Any], max_tokens: int) -> dict[str, Any]:
        """Return the body with no longer a generation than ``max_tokens``; what is no number is left as it is."""
        if self.within:
            inner = body.get(self.within) or {}
            return body | {self.within: self._limited(inner, max_tokens)} if isinstance(inner, dict) else body
        return self._limited(body, max_tokens)

    def _limited(self, fields: dict[str, Any], max_tokens: int) -> dict[str, Any]:
        name = next((each for each in self.names if fields.get(each) is not None), self.names[-1])
        if self._is_longer(fields.get(name), max_tokens):
            return fields | {name: max(max_tokens, self.least)}
        return fields

    def _is_longer(self, limit: object, max_tokens: int) -> bool:
        if limit is None:
            return not self.is_required
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            return False
        return limit in self.endless or limit > max_tokens


_OPENAIS = Limit(("max_completion_tokens", "max_tokens"), endless=(0,))
_OLLAMAS = Limit(("num_predict",), endless=(-1, -2), within="options")

LIMITS = {
    COMPLETIONS: _OPENAIS,
    CHAT: _OPENAIS,
    RESPONSES: Limit(("max_output_tokens",), least=16),
    MESSAGES: Limit(("max_tokens",), is_required=True),
    OLLAMA_CHAT: _OLLAMAS,
    OLLAMA_GENERATE: _OLLAMAS,
}
"""The limit of each operation that generates."""


def bounded(path: str, body: dict[str, Any], max_tokens: int) -> dict[str, Any]:
    """Return the body as it is sent to an operation: with a bounded generation, where it asks for one."""
    return LIMITS[path].bounded(body, max_tokens) if path in LIMITS else body
