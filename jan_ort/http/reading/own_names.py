"""What a protocol calls the fields of the chat that its body is read as: a client is told of its own names (hop 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from jan_ort.chat.template import ChatTemplateError
from jan_ort.http.api_error import ApiError
from jan_ort.http.error_table import to_api_error
from jan_ort_openapi import SchemaViolation, Violation

_MESSAGE = re.compile(r"messages\.(\d+)")
_QUOTED = r"""(?<!\w)(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?!\w)"""
"""A value in a message: what a client wrote, which may be spelt as a field is."""


class OwnNames:
    """Tells of errors in a protocol's own names.

    ``fields`` has the name of each field of a chat that the protocol spells otherwise, with or without members: a
    regular expression, and what its match becomes, where a message is still the chat's. ``places`` are where each
    message of the chat comes from, and ``members`` what the protocol calls members of those.
    """

    def __init__(
        self, fields: Mapping[str, str], places: Sequence[str] = (), members: Mapping[str, str] | None = None
    ) -> None:
        self._fields = fields
        self._places = places
        self._members = members or {}
        longest_first = sorted((_MESSAGE.pattern, *fields), key=len, reverse=True)
        names = "|".join(f"(?:{name})" for name in longest_first)
        self._known = re.compile(rf"{_QUOTED}|(?<![\w.])(?:{names})(?!\w)")

    def told(self, text: str) -> str:
        """Return the text, a parameter or a message, with this protocol's names."""
        told = self._known.sub(self._own, text)
        for member, own in self._members.items():
            told = re.sub(rf"\.{member}\b", f".{own}", told)
        return told

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Have what is wrong with the chat told in this protocol's names. Raises: ApiError."""
        try:
            yield
        except (ApiError, ChatTemplateError, SchemaViolation) as error:
            failure = to_api_error(error)
            own = ApiError(
                failure.status,
                self.told(failure.message),
                param=None if failure.param is None else self.told(failure.param),
                code=failure.code,
            )
            own.headers = failure.headers
            if isinstance(error, SchemaViolation):
                place = (own.param or "").split(".")
                own.detail = [Violation(loc=["body", *place], msg=own.message, type=error.detail[0]["type"])]
            raise own from error

    def _own(self, found: re.Match[str]) -> str:
        if found["quoted"]:
            return found[0]
        matches = ((re.fullmatch(name, found[0]), own) for name, own in self._fields.items())
        own = next((match.expand(own) for match, own in matches if match), found[0])
        return _MESSAGE.sub(self._place, own)

    def _place(self, message: re.Match[str]) -> str:
        at = int(message[1])
        return self._places[at] if at < len(self._places) else message[0]
