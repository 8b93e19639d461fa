"""A grammar that holds only after a preface, such as a thought, which has a grammar of its own (hop 7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort.structured.compiler import CompiledGrammar
from jan_ort.structured.constraint import Constraint
from jan_ort.structured.grammar_errors import ConstraintFailed

_ROOM = 2
"""Tokens beyond the shortest answer for which a preface is ended: its end may take one more than its text has."""


class PrefacedGrammar:
    """Two grammars, one after the other; immutable.

    The preface may be left out unless it ``is_needed``. ``closing`` are the token ids that end it. A text whose first
    ``num_opening`` bytes are a preface's is one, whatever an answer may begin with; 0 leaves it open.
    """

    def __init__(
        self,
        preface: CompiledGrammar,
        answer: CompiledGrammar,
        *,
        is_needed: bool,
        closing: Sequence[int],
        num_opening: int = 0,
    ) -> None:
        self._preface = preface
        self._answer = answer
        self._is_needed = is_needed
        self._closing = tuple(closing)
        self._num_opening = num_opening

    def start(self) -> PrefacedConstraint:
        """Return the constraint of one sequence at its beginning. Raises: ConstraintFailed."""
        return PrefacedConstraint(
            self._preface.start(),
            self._answer,
            has_begun=self._is_needed,
            closing=self._closing,
            num_opening=self._num_opening,
        )


class PrefacedConstraint:
    """The state of one sequence; what a :class:`Constraint` says of itself holds here too.

    While it is open whether the preface or the answer comes, both are followed. Once a preface is whole, the answer
    begins at the next token that can begin it.
    """

    def __init__(
        self,
        preface: Constraint,
        answer: CompiledGrammar,
        *,
        has_begun: bool,
        closing: Sequence[int],
        num_opening: int = 0,
    ) -> None:
        self._preface: Constraint | None = preface
        self._grammar = answer
        self._answer: Constraint | None = None if has_begun else answer.start()
        self._is_whole = False  # of the preface
        self._num_opening = num_opening  # bytes that are still to come of what only a preface begins with
        self._closing = list(closing)
        self._is_closing = False
        self._room: int | None = None
        self._was_cut = False

    @property
    def was_closed(self) -> bool:
        """Whether a choice was taken away so that the answer is complete within the limit."""
        return self._was_cut or (self._answer is not None and self._answer.was_closed)

    @property
    def is_complete(self) -> bool:
        """Whether nothing more may follow."""
        return self._preface is None and self._answer is not None and self._answer.is_complete

    def is_accepting(self) -> bool:
        """Return whether the text may end here."""
        return self._answer is not None and self._answer.is_accepting()

    def allowed(self) -> NDArray[np.bool_]:
        """Return which tokens may come next, bool ``(vocab_size,)``. Raises: ConstraintFailed."""
        if self._preface is None:
            return self._following().allowed()
        mask = self._preface.allowed()
        mask[self._preface.eos_token_ids] = False  # the end of the preface is not that of the text
        return mask if self._answer is None else mask | self._answer.allowed()

    def accept(self, token_id: int) -> None:
        """Move on by one token, which ``allowed`` allows. Raises: ConstraintFailed otherwise."""
        if self._preface is None:
            self._following().accept(token_id)
            return
        is_answer = self._answer is not None and self._answer.takes(token_id)
        is_preface = self._preface.takes(token_id) and not (self._is_whole and is_answer)
        if not (is_answer or is_preface):
            raise ConstraintFailed(f"token id {token_id} is not allowed here")
        if self._answer is not None and is_answer:
            self._answer.accept(token_id)
        else:
            self._answer = None
        if not is_preface:
            self._preface = None
            return
        self._preface.accept(token_id)
        if self._num_opening > 0:
            self._num_opening -= self._preface.num_bytes(token_id)
            self._answer = None if self._num_opening <= 0 else self._answer
        if self._is_closing and self._closing[:1] == [token_id]:
            self._closing.pop(0)
        if self._preface.is_accepting():
            self._is_whole = True
            self._answer = self._grammar.start()

    def forced(self) -> list[int]:
        """Return the tokens that must come next, mostly none."""
        if self._preface is None:
            return self._following().forced()
        return self._preface.forced() if self._answer is None else []

    def closing(self, remaining: int) -> NDArray[np.bool_] | None:
        """Return a mask of the one token that still completes the text in ``remaining`` tokens, None for a choice.

        A preface that would leave no room for the shortest answer is ended, or not begun.
        """
        if self._room is None:
            shortest = self._grammar.start().shortest()
            self._room = 0 if shortest is None else shortest + len(self._closing) + _ROOM
        if self._answer is not None and remaining <= self._room + len(self._closing):
            self._preface = None
        if self._preface is None:
            return self._following().closing(remaining)
        if self._answer is not None or not self._closing:
            return None
        self._is_closing |= remaining <= self._room
        if not self._is_closing or not self._preface.takes(self._closing[0]):
            return None
        self._was_cut = True
        mask = np.zeros_like(self._preface.allowed())
        mask[self._closing[0]] = True
        return mask

    def settle(self, token_id: int, remaining: int) -> int:
        """Return the token to take: ``token_id``, or another one if the JSON could not be completed after it."""
        return self._following().settle(token_id, remaining) if self._preface is None else token_id

    def _following(self) -> Constraint:
        assert self._answer is not None, "what follows the preface is the answer"
        return self._answer
