"""What one sequence may say next, and how its JSON is closed before the tokens run out (hop 7)."""

from __future__ import annotations

import numpy as np
from llguidance import LLMatcher
from numpy.typing import NDArray

from jan_ort.structured.closing import MAX_ENDING, Closer, JsonPosition
from jan_ort.structured.grammar_errors import ConstraintFailed, panics_fail
from jan_ort.structured.number_bound import bounded, may_end, number_so_far
from jan_ort.structured.vocabulary import GrammarVocabulary

UNCHECKED_AFTER_FAILURE = 16
"""How many tokens go by before another ending is looked for where there was none: a long search takes milliseconds."""

LONG_SEARCH = 64
"""Tokens from which a search that has found nothing is not repeated for the token that is drawn."""

MAX_DONE_AT_ONCE = 2
"""How many tokens of an ending one other token may stand for, as ``",`` does for two."""


class Constraint:
    """The state of one sequence under a grammar.

    Not thread-safe, but not bound to a thread: ``allowed`` may be computed on another one than ``accept``, not at the
    same time. After a ConstraintFailed it is of no more use; other sequences are not affected.
    """

    def __init__(
        self,
        matcher: LLMatcher,
        vocabulary: GrammarVocabulary,
        closer: Closer | None,
        growth: int,
        *,
        ends_numbers: bool,
    ) -> None:
        self._matcher = matcher
        self._ends_numbers = ends_numbers
        self._number = b""
        """What the text ends with, if a number may go on there."""
        self._vocabulary = vocabulary
        self._closer = closer
        self._position = JsonPosition()
        self._growth = growth
        self._bound = growth
        """At most so many tokens complete the document: an estimate between two walks, exact after one."""
        self._ending: list[int] | None = None
        self._checked: tuple[int, list[int]] | None = None
        self._has_failed = False
        """Whether no ending was found from here."""
        self._num_unchecked = 0
        """How many more tokens are taken as they come, since no ending has been found."""
        self.was_closed = False
        """Whether a choice was taken away so that the JSON is complete within the limit."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing more may follow: the text is a sentence, and no sentence is longer."""
        return bool(self._matcher.is_stopped() and self._matcher.is_accepting()) and not self._matcher.is_error()

    def is_accepting(self) -> bool:
        """Return whether the text so far is a sentence, so that it may end here."""
        return bool(self._matcher.is_accepting())

    @property
    def eos_token_ids(self) -> list[int]:
        """The tokens that end a text."""
        return list(self._vocabulary.eos_token_ids)

    def num_bytes(self, token_id: int) -> int:
        """Return the length of a token's text."""
        return len(self._vocabulary.token_bytes[token_id])

    @panics_fail()
    def takes(self, token_id: int) -> bool:
        """Return whether the token may come next."""
        return bool(self._matcher.validate_tokens([token_id]) == 1)

    @panics_fail()
    def shortest(self) -> int | None:
        """Return how many tokens complete the document from here, None if that is not known."""
        ending = None if self._closer is None else self._known_ending(MAX_ENDING)
        return None if ending is None else len(ending)

    @panics_fail()
    def allowed(self) -> NDArray[np.bool_]:
        """Return which tokens may come next, bool ``(vocab_size,)``; end-of-text ids where the text may end.

        Releases the interpreter's lock while it computes. Raises: ConstraintFailed at a limit of the parser.
        """
        mask = self._mask(self._matcher)
        self._check()
        if not mask.any() and not self.is_accepting():
            raise ConstraintFailed("no token of the vocabulary continues the text; simplify the grammar or schema")
        return bounded(mask, self._number, self._vocabulary, self._ends_after) if self._number else mask

    def _mask(self, matcher: LLMatcher) -> NDArray[np.bool_]:
        bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
        size = self._vocabulary.vocab_size
        known = min(size, len(self._vocabulary.token_bytes))
        mask = np.zeros(size, np.bool_)
        mask[:known] = bits[:known]
        return mask

    def _ends_after(self, token_id: int) -> bool:
        """Whether the number that is being written may end after this token."""
        matcher = self._matcher.deep_copy()
        return bool(matcher.consume_token(token_id)) and may_end(self._mask(matcher), self._vocabulary)

    @panics_fail()
    def accept(self, token_id: int) -> None:
        """Move on by one token, which ``allowed`` allows. Raises: ConstraintFailed otherwise."""
        if not self._matcher.consume_token(token_id):
            raise ConstraintFailed(f"token id {token_id} is not allowed here: {_first_line(self._matcher.get_error())}")
        if self._ends_numbers:
            self._number = number_so_far(self._number, self._bytes(token_id))
        if self._closer is None:
            return
        self._has_failed = False
        self._position.feed(self._bytes(token_id))
        if self._ending and self._ending[0] == token_id:
            self._ending = self._ending[1:]
            self._bound = len(self._ending)
        elif self._checked is not None and self._checked[0] == token_id:
            self._ending = self._checked[1]
            self._bound = len(self._ending)
        else:
            self._ending = None
            self._bound += self._growth
        self._checked = None

    @panics_fail()
    def forced(self) -> list[int]:
        """Return the tokens that must come next, mostly none; they are canonical, and asking does not consume them."""
        token_ids = list(self._matcher.compute_ff_tokens())
        self._check()
        ends = [at for at, token_id in enumerate(token_ids) if not self._bytes(token_id)]
        return token_ids[: ends[0]] if ends else token_ids

    @panics_fail()
    def closing(self, remaining: int) -> NDArray[np.bool_] | None:
        """Return a mask of the one token that still completes the JSON in ``remaining`` tokens, bool ``(vocab_size,)``.

        None where there is a choice, where it cannot be done, and for anything but JSON. With the mask alone a token
        may still be chosen that opens more than can be closed: ``settle`` is what makes sure.
        """
        if self._closer is None or remaining - 1 > self._bound or self._num_unchecked:
            return None
        ending = self._known_ending(remaining)
        if ending is None or len(ending) != remaining or not ending:
            return None
        mask = np.zeros(self._vocabulary.vocab_size, np.bool_)
        mask[ending[0]] = True
        self.was_closed |= bool(np.count_nonzero(self.allowed()) > 1)
        return mask

    @panics_fail()
    def settle(self, token_id: int, remaining: int) -> int:
        """Return the token to take: ``token_id``, or another one if the JSON could not be completed after it.

        ``remaining`` counts the tokens that may be generated, this one included; ``token_id`` is an allowed one.
        Where no ending fits, it is returned as it is. The caller accepts what is returned.
        """
        if (
            self._closer is None
            or remaining - 1 > self._bound + self._growth
            or token_id in self._vocabulary.eos_token_ids
        ):
            return token_id
        if self._num_unchecked:
            self._num_unchecked -= 1
            return token_id
        if self._has_failed and remaining > LONG_SEARCH:
            self._num_unchecked = UNCHECKED_AFTER_FAILURE
            return token_id
        if self._ending and self._ending[0] == token_id:
            return token_id
        after = self._ending_after(token_id, remaining - 1)
        if after is not None:
            self._checked = token_id, after
            return token_id
        ending = self._known_ending(remaining)
        if ending is None:
            self._num_unchecked = UNCHECKED_AFTER_FAILURE
            return token_id
        if ending:
            self.was_closed = True
            return ending[0]
        if self._vocabulary.eos_token_ids and self.is_accepting():  # and not only out of what may be missing
            self.was_closed = True
            return self._vocabulary.eos_token_ids[0]
        return token_id

    def _known_ending(self, limit: int) -> list[int] | None:
        """Return how the document can end from here in at most ``limit`` tokens, if it can."""
        if self._ending is None and not self._has_failed:
            assert self._closer is not None, "asked for JSON only"
            self._ending = self._closer.ending(self._matcher, self._position, limit)
            self._has_failed = self._ending is None
            self._bound = self._bound if self._ending is None else len(self._ending)
        return self._ending if self._ending is not None and len(self._ending) <= limit else None

    def _ending_after(self, token_id: int, limit: int) -> list[int] | None:
        assert self._closer is not None, "asked for JSON only"
        matcher, position = self._matcher.deep_copy(), self._position.copy()
        if not matcher.consume_token(token_id):
            return None
        position.feed(self._bytes(token_id))
        # Mostly the ending stays as it was: one more character of a string, or a token that did part of it.
        for done in range(MAX_DONE_AT_ONCE + 1 if self._ending else 0):
            ending = self._ending[done:] if self._ending else []
            if len(ending) <= limit and _ends(matcher.deep_copy(), ending):
                return ending
        return self._closer.ending(matcher, position, limit)

    def _bytes(self, token_id: int) -> bytes:
        known = self._vocabulary.token_bytes
        return known[token_id] if 0 <= token_id < len(known) else b""

    def _check(self) -> None:
        if self._matcher.is_error():
            raise ConstraintFailed(
                f"the constraint cannot go on: {_first_line(self._matcher.get_error())}; simplify the grammar or schema"
            )


def _ends(matcher: LLMatcher, token_ids: list[int]) -> bool:
    return bool(matcher.consume_tokens(token_ids) and matcher.is_accepting())


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
