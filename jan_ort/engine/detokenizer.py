"""From token ids to text that may be shown: whole characters only, and nothing of a stop string (hop 8)."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Sequence
from typing import Protocol

from jan_ort.ground.shown_tokens import plain, shown


class TokenBytes(Protocol):
    """What the detokenizer needs of a tokenizer."""

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; none for a special token or an id without a token."""
        ...

    def token_name_bytes(self, token_id: int) -> bytes:
        """Return the bytes of a token, for a special token those of its name."""
        ...


class Detokenizer:
    """Turns the tokens of one sequence into text deltas.

    A delta never ends inside a character, and never holds text that may yet turn out to be the beginning of a stop
    string. The deltas of a sequence, joined, are its text. Special tokens are no text, but for ``shown_token_ids``.
    """

    __slots__ = ("_decoder", "_held", "_shown", "_stop", "_tokens", "hit")

    def __init__(self, tokens: TokenBytes, stop: Sequence[str] = (), shown_token_ids: Collection[int] = ()) -> None:
        self._tokens = tokens
        self._shown = shown_token_ids
        self._stop = tuple(stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.hit: str | None = None
        """The stop string that has appeared."""

    @property
    def stopped(self) -> bool:
        """Whether a stop string has appeared: nothing after it is text."""
        return self.hit is not None

    @property
    def num_held(self) -> int:
        """The number of characters held back, because a stop string may begin with them."""
        return len(self._held)

    def push(self, token_id: int) -> str:
        """Take one token and return the text that is certain now; sets ``hit`` to a stop string that appeared."""
        if token_id not in self._shown:
            return self._release(self._decoder.decode(self._tokens.token_bytes(token_id)))
        broken, name = self._decoder.decode(b"", final=True), self._tokens.token_name_bytes(token_id)
        return self._release(broken + shown(name.decode(errors="replace")))

    def flush(self) -> str:
        """Return what was held back, at the end of the sequence; half a character becomes U+FFFD."""
        if self.stopped:
            return ""
        text = self._release(self._decoder.decode(b"", final=True))
        text, self._held = text + self._held, ""
        return text

    def _release(self, new: str) -> str:
        if not self._stop:
            return new
        text = self._held + new
        spelled = plain(text)
        # The one that is complete first, not the one that begins first: so the cut does not depend on the tokens' ends.
        found = [(at + len(stop), at, stop) for stop in self._stop if (at := spelled.find(stop)) >= 0]
        if found:
            (_, at, self.hit), self._held = min(found), ""
            return text[:at]
        keep = len(text) - max(longest_overlap(spelled, stop) for stop in self._stop)
        self._held = text[keep:]
        return text[:keep]


def longest_overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of ``text`` that is a proper beginning of ``stop``."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if stop.startswith(text[-size:])), 0)
