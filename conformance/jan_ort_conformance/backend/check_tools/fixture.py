"""What one check works with: the subject, sessions that are closed in the end, and a text to append to their slots."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Capability, ModelError, Session, SlotTokens, StepOutput, session_capabilities
from jan_ort_conformance.backend.check_tools.rewriting_session import RewritingSession
from jan_ort_conformance.backend.subject import Subject, Tolerances
from jan_ort_conformance.verdicts.verdict import Violation

NUM_SLOTS = 8
"""As many as the server asks for by default: a fault may begin with the last of them."""
CONTEXT_LENGTH = 128
SEED = 11
MAX_EMBEDDING_TOKEN_ID = 12
"""An embedding session does not say how large its vocabulary is; ids below this are in any."""


class Writer:
    """Appends one fixed text to the slots of a session, so that equal slots hold equal tokens."""

    def __init__(self, session: Session) -> None:
        self.session = session
        vocabulary = session.info.vocab_size or MAX_EMBEDDING_TOKEN_ID
        self.text: NDArray[np.int64] = np.random.default_rng(SEED).integers(0, vocabulary, CONTEXT_LENGTH)

    def step(self, rows: Sequence[SlotTokens]) -> NDArray[np.float32]:
        """Run one step and return a copy of its logits, which are the session's own until the next step."""
        return np.array(self.session.step(rows).logits)

    def next(self, slot: int, num_tokens: int) -> NDArray[np.int64]:
        """Return the text's next tokens for the slot."""
        begin = self.session.length(slot)
        return self.text[begin : begin + num_tokens]

    def output(self, slot: int, num_tokens: int, num_logits: int = 1) -> StepOutput:
        """Append the next tokens of the text to ``slot`` in one step."""
        return self.session.step([SlotTokens(slot, self.next(slot, num_tokens), num_logits)])

    def append(self, slot: int, *chunks: int, num_logits: int = 1) -> NDArray[np.float32]:
        """Append the next tokens in chunks of these lengths, and return the last chunk's logits."""
        for chunk in chunks:
            logits = np.array(self.output(slot, chunk, min(num_logits, chunk)).logits)
        return logits

    def keep(self, slot: int, *chunks: int) -> None:
        """Append the next tokens in chunks of these lengths, and have each chunk's end kept."""
        for chunk in chunks:
            self.session.step([SlotTokens(slot, self.next(slot, chunk), keep=True)])

    def decode(self, *slots: int) -> NDArray[np.float32]:
        """Append the next token of the text to each slot in one step, and return one row of logits per slot."""
        return self.step([SlotTokens(slot, self.next(slot, 1)) for slot in slots])

    def turned(self, by: int) -> NDArray[np.int64]:
        """Return the text begun elsewhere: another text for each of 0 to CONTEXT_LENGTH - 1."""
        return np.roll(self.text, by)

    def lengths(self) -> list[int]:
        """Return the number of tokens of every slot."""
        return [self.session.length(slot) for slot in range(self.session.info.num_slots)]


class Fixture:
    """One check's work on a subject; leaving it closes every session that it opened."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.__exit__(kind, error, trace)

    @property
    def tolerances(self) -> Tolerances:
        """How exact the subject has to be."""
        return self.subject.tolerances

    @cached_property
    def session(self) -> Session:
        """A session of eight slots of 128 tokens; a smaller embedding model has its own context length."""
        try:
            session = self.open().session
        except ModelError:
            session = self.open(context_length=None).session
        if session.info.vocab_size and session.info.context_length < CONTEXT_LENGTH:
            raise Violation(
                f"the model holds {session.info.context_length} tokens; the kit needs one of {CONTEXT_LENGTH} or more"
            )
        return session

    @cached_property
    def writer(self) -> Writer:
        """The writer of ``session``."""
        return Writer(self.session)

    @cached_property
    def able(self) -> frozenset[Capability]:
        """What the open session can do, by the backend's own declaration and the model's part in it."""
        return session_capabilities(self.subject.backend, self.session)

    def open(
        self, *, num_slots: int = NUM_SLOTS, context_length: int | None = CONTEXT_LENGTH, as_it_is: bool = False
    ) -> Writer:
        """Open another session, which is closed when the check ends; one that is cut anywhere, unless ``as_it_is``."""
        session = self.subject.open(num_slots=num_slots, context_length=context_length)
        self._closing.callback(session.close)
        cuts_anywhere = as_it_is or session.info.num_checkpoints is None
        return Writer(session if cuts_anywhere else RewritingSession(session))

    def empty_folder(self) -> Path:
        """Return a new empty folder, which is removed when the check ends."""
        return Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="jan-ort-kit-")))
