"""The shortest way to end a JSON document that has been begun, as far as a greedy walk finds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np
from llguidance import LLMatcher

from jan_ort.structured.vocabulary import GrammarVocabulary

MAX_ENDING = 512
"""The longest ending that is looked for, in tokens: each takes some 20 microseconds of a step, which others share."""
MAX_MARKUP = 64
"""The longest markup behind the last bracket of a call, in tokens, that may be missing."""
LONG_ENDING = 256
"""Tokens beyond which no other ending is tried: it would not be much shorter."""
FILLER_COST = 4
"""Tokens that take as long as to make one up."""
MAX_WORDS = 8
"""How many words a walk makes up before it tries single characters: a text that must be longer is rare."""


class _TooLong(Exception):
    """Raised when an ending is much longer than it may be."""


class JsonPosition:
    """Whether a document's end so far is inside a string, and what that end is; fed with its bytes."""

    __slots__ = ("_escaped", "end", "in_string")

    def __init__(self) -> None:
        self.in_string = False
        self.end = b""
        self._escaped = False

    def copy(self) -> JsonPosition:
        """Return one at the same place."""
        other = JsonPosition()
        other.in_string, other.end, other._escaped = self.in_string, self.end, self._escaped
        return other

    def feed(self, text: bytes) -> None:
        """Move over ``text``."""
        self.end = (self.end + text)[-MAX_MARKUP:]
        for byte in text:
            if self._escaped:
                self._escaped = False
            elif self.in_string and byte == 0x5C:
                self._escaped = True
            elif byte == 0x22:
                self.in_string = not self.in_string
            elif byte == 0x0A:  # which no string holds: in markup, a quotation mark may stand alone
                self.in_string = False


class Closer:
    """Finds endings for one vocabulary."""

    def __init__(self, vocabulary: GrammarVocabulary) -> None:
        self._vocabulary = vocabulary
        self._marks: list[Mapping[bytes, list[int]]] = []
        self._num_spare = 0
        _ = vocabulary.by_preference  # which takes 70 ms, here and not in a step
        brackets = vocabulary.tokens_of_only(b"}]")
        ended_string = vocabulary.tokens_of_only(b"}]", after=b'"')
        # What ends comes before what goes on, and of that the least: a digit is a whole value.
        self._outside = vocabulary.ids_of([*brackets, b":", b",", b"0", b"1", b'"', b"n", b"t", b"f", b"{", b"[", b"-"])
        self._inside = vocabulary.ids_of([*ended_string, b'"'])
        # A separator first: what must hold one (an address, a URI) cannot end before it.
        self._characters = vocabulary.ids_of([bytes([byte]) for byte in (*b"@:", *range(0x30, 0x7F), *range(0x30))])

    def of_calls(self, marks: Sequence[Mapping[bytes, list[int]]], *, is_all_needed: bool) -> Closer:
        """Return one for calls; what stands behind the last bracket may be missing unless it ``is_all_needed``.

        ``marks`` end parts of a call that are no JSON, the innermost first: of each the token ids, after each beginning
        of it that may have been written.
        """
        closer = copy(self)
        closer._marks, closer._num_spare = list(marks), 0 if is_all_needed else MAX_MARKUP
        return closer

    def ending(self, matcher: LLMatcher, position: JsonPosition, limit: int) -> list[int] | None:
        """Return token ids that complete the document, at most ``limit``; None if no walk finds such an ending.

        Not always the shortest ending there is. ``matcher`` and ``position`` stay as they are.
        """
        limit = min(limit, MAX_ENDING)
        try:
            for in_words in (True, False):
                filled = self._walk(matcher.deep_copy(), position.copy(), limit + self._num_spare, in_words=in_words)
                if filled is not None:
                    return filled if len(filled) <= limit else self._without_markup(filled, limit)
        except _TooLong:
            pass
        return None

    def _without_markup(self, ending: list[int], limit: int) -> list[int] | None:
        """Return the ending up to its last bracket, None if that does not fit either."""
        texts = [self._vocabulary.token_bytes[token_id] for token_id in ending]
        length = next((at + 1 for at in range(len(texts) - 1, -1, -1) if set(texts[at]) & set(b"}])")), limit + 1)
        return ending[:length] if length <= limit else None

    def _walk(self, matcher: LLMatcher, position: JsonPosition, limit: int, *, in_words: bool) -> list[int] | None:
        """Return an ending; where text has to be made up, of long words, or of single characters each in its turn.

        Raises: _TooLong.
        """
        taken: list[int] = []
        used: Counter[int] = Counter()
        while not matcher.is_accepting():
            following = (
                matcher.compute_ff_tokens() or self._mark(matcher, position) or self._ending_token(matcher, position)
            )
            if not following:
                if in_words and used.total() == MAX_WORDS:
                    return None
                following = self._filler(matcher, used, in_words=in_words)
                used.update(following)
            cost = len(taken) + len(following) + FILLER_COST * used.total()
            if cost > LONG_ENDING and (len(taken) + len(following) > limit or cost > MAX_ENDING):
                raise _TooLong
            if not following or len(taken) + len(following) > limit or not matcher.consume_tokens(following):
                return None
            for token_id in following:
                position.feed(self._vocabulary.token_bytes[token_id])
            taken += following
        return taken

    def _mark(self, matcher: LLMatcher, position: JsonPosition) -> list[int]:
        for mark in self._marks:
            begun = next((text for text in mark if position.end.endswith(text)), b"")  # the longest comes first
            # No string holds a line end: a quotation mark before one is none of JSON's.
            for rest in (mark[begun], mark[b""]):
                is_text = position.in_string and not self._holds_line_end(rest)
                if not is_text and matcher.validate_tokens(rest) == len(rest):
                    return rest
        return []

    def _holds_line_end(self, token_ids: Sequence[int]) -> bool:
        return any(b"\n" in self._vocabulary.token_bytes[token_id] for token_id in token_ids)

    def _ending_token(self, matcher: LLMatcher, position: JsonPosition) -> list[int]:
        for token_id in self._inside if position.in_string else self._outside:
            if matcher.validate_tokens([token_id]):
                return [token_id]
        return []

    def _filler(self, matcher: LLMatcher, used: Counter[int], *, in_words: bool) -> list[int]:
        allowed = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
        if not in_words:
            # A pattern that loops on some characters ends at one that has not been used yet.
            characters = [token_id for token_id in self._characters if allowed[token_id]]
            return [min(characters, key=lambda token_id: used[token_id])] if characters else []
        words = np.flatnonzero(allowed[: len(self._vocabulary.token_bytes)])
        return [int(words[np.argmin(self._vocabulary.by_preference[words])])] if words.size else []
