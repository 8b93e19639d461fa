"""Prompt lookup: what followed the last tokens when they stood there before, in the text or in earlier answers (hop 5).

Source: Saxena 2023, "Prompt Lookup Decoding"; that the draft grows with the match: Oliaro et al. 2024,
arXiv:2411.04975, section 3.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.speculation.drafter import Draft, Drafter, StepPrices, Wanted

Tokens = NDArray[np.int64]

MIN_MATCH = 2
"""One token alone says too little of the next."""

MAX_MATCH = 16
"""Longer matches promise no more."""

TRUST_BOUNDS = 1 / 8, 4.0
"""Tokens that are drafted for each token of the match: of who was always wrong, and of who never was."""

MAX_EARLIER = 16_384
"""Tokens of earlier answers that are kept for each scope: comparing them all takes 8 µs."""

MAX_SCOPES = 64

SEPARATOR = -1
"""Stands between two answers: no token, and neither are the stand-ins of images, which are below it."""


def longest_match(text: Tokens, suffix: Tokens) -> tuple[int, int]:
    """Return the longest end of ``suffix`` that stands in ``text``: where it ends there, the last time, and its length.

    Args: text: int64 ``(n,)``. suffix: int64 ``(m,)``, m >= 1. Returns: (0, 0) if not even its last token does.
    """
    ends = np.flatnonzero(text == suffix[-1])
    length = min(len(ends), 1)
    while 1 <= length < len(suffix):
        longer = ends[ends >= length]
        longer = longer[text[longer - length] == suffix[-1 - length]]
        if not len(longer):
            break
        ends, length = longer, length + 1
    return (int(ends[-1]) + 1, length) if length else (0, 0)


class _Growing:
    """An array that tokens are appended to."""

    def __init__(self, tokens: Tokens) -> None:
        self._room = np.empty(len(tokens) + 256, np.int64)
        self.length = 0
        self.append(tokens)

    @property
    def tokens(self) -> Tokens:
        return self._room[: self.length]

    def append(self, tokens: Tokens | list[int]) -> None:
        end = self.length + len(tokens)
        if end > len(self._room):
            self._room = np.concatenate([self.tokens, np.empty(end, np.int64)])
        self._room[self.length : end] = tokens
        self.length = end

    def keep_last(self, num: int) -> None:
        """Forget all but the last ``num`` tokens."""
        self._room[:num] = self._room[self.length - num : self.length].copy()
        self.length = num


class _Text(_Growing):
    """A sequence's tokens so far, how many of them its prompt had, and how far its matches are trusted."""

    def __init__(self, sequence: TokenSequence) -> None:
        super().__init__(sequence.prompt)
        self.num_prompt_tokens = self.length
        self.trust = 1.0


class NgramDrafter(Drafter):
    """Looks for the last tokens in the same text, and in earlier answers to requests of the same scope."""

    def __init__(self) -> None:
        self._texts: dict[int, _Text] = {}  # by sequence
        self._earlier: OrderedDict[str, _Growing] = OrderedDict()  # by scope, the last used last

    def drafts(self, wanted: Sequence[Wanted], prices: StepPrices) -> list[Draft]:
        """Return what followed the longest match, the longer the match and the more of the last drafts was right."""
        return [self._draft(each.sequence, each.most) for each in wanted]

    def judged(self, sequence: TokenSequence, num_drafted: int, num_accepted: int) -> None:
        """Trust a sequence's matches twice as far after a draft that was right, and half as far after a poor one."""
        text = self._texts.get(sequence.id)
        if text is not None:
            factor = 2.0 if num_accepted == num_drafted else 0.5 if 2 * num_accepted < num_drafted else 1.0
            least, most = TRUST_BOUNDS
            text.trust = min(max(text.trust * factor, least), most)

    def end(self, sequence: TokenSequence) -> None:
        """Keep the answer for later ones of its scope."""
        text = self._texts.pop(sequence.id, None)
        if text is None:
            return
        text.append(sequence.since(text.length))
        earlier = self._earlier.setdefault(sequence.scope, _Growing(np.empty(0, np.int64)))
        self._earlier.move_to_end(sequence.scope)
        earlier.append(text.tokens[text.num_prompt_tokens :][-MAX_EARLIER // 2 :])
        earlier.append([SEPARATOR])
        if earlier.length > MAX_EARLIER:
            earlier.keep_last(MAX_EARLIER // 2)
        if len(self._earlier) > MAX_SCOPES:
            self._earlier.popitem(last=False)

    def _draft(self, sequence: TokenSequence, most: int) -> Draft:
        text = self._texts.get(sequence.id)
        if text is None:
            text = self._texts[sequence.id] = _Text(sequence)
        text.append(sequence.since(text.length))
        suffix = text.tokens[-MAX_MATCH:]
        end, length = longest_match(text.tokens[:-1], suffix)
        found = text.tokens
        earlier = self._earlier.get(sequence.scope)
        if earlier is not None and length < MAX_MATCH:
            other_end, other_length = longest_match(earlier.tokens, suffix)
            if other_length > length:
                found, end, length = earlier.tokens, other_end, other_length
        num = min(most, int(text.trust * length)) if length >= MIN_MATCH else 0
        return _following(found, end, num)


def _following(tokens: Tokens, begin: int, num: int) -> Draft:
    """Return up to ``num`` tokens from ``begin``; what repeats itself up to the end goes on repeating itself."""
    following: list[int] = tokens[begin : begin + num].tolist()
    special = next((at for at, token_id in enumerate(following) if token_id < 0), None)
    if special is not None:
        return tuple(following[:special])
    missing = num - len(following)
    return tuple(following * (1 + -(-missing // len(following))))[:num] if following else ()
