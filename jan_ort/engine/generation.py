"""One sequence's way from sampled tokens to the events that its handler receives (hops 7 to 9)."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.detokenizer import Detokenizer, TokenBytes
from jan_ort.engine.embedded import texts_only
from jan_ort.engine.engine_errors import as_told
from jan_ort.engine.events import FinishReason, SequenceOutput, TokenLogprobs
from jan_ort.engine.sequence import TokenSequence
from jan_ort.sampling.chain import Drawn
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState
from jan_ort_backends import EmbeddedRun

if TYPE_CHECKING:
    from jan_ort.structured.compiler import CompiledGrammar
    from jan_ort.structured.constraint import Constraint
    from jan_ort.structured.prefaced import PrefacedConstraint, PrefacedGrammar


@dataclass(frozen=True, slots=True)
class Prompt:
    """One sequence that a request asks for.

    ``token_ids``: int64 ``(n,)``, n >= 1. ``index`` is its place in the request, ``choice`` the one among the choices
    of the same prompt. ``grammar`` is what its text must follow; ``shown_token_ids`` are special tokens that its text
    shows by their names, where others stand for nothing. ``embedded`` are the runs of its images, by where they begin
    (``engine/embedded.py``).
    """

    token_ids: NDArray[np.int64]
    index: int
    params: SamplingParams
    choice: int = 0
    grammar: CompiledGrammar | PrefacedGrammar | None = None
    shown_token_ids: frozenset[int] = frozenset()
    embedded: Mapping[int, EmbeddedRun] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Everything the engine needs of one HTTP request; ``sink`` is handed back with each of its events.

    ``owner`` stands for the key that it was asked with: keys take turns. Prefixes that are cached are shared by the
    requests of one ``scope``.
    """

    id: str
    prompts: tuple[Prompt, ...]
    sink: Any = field(repr=False)
    stream: bool = False
    prompt_logprobs: bool = False
    owner: str = ""
    scope: str = ""
    submitted_at: float = field(default_factory=time.perf_counter)


@dataclass(slots=True)
class TokenClock:
    """When a sequence's tokens came, and how many of them are counted; seconds of ``time.perf_counter``."""

    submitted_at: float
    last_token_at: float | None = None
    num_counted: int = 0


class Generation:
    """What is kept of a sequence beside its slot: sampler state, detokenizer, and what was not sent yet.

    With ``stream`` every step's news is an event; without it one event comes at the end. ``sink`` is handed to the
    engine's delivery with each of them. Whatever its grammar or its detokenizer raises, a native library's panic
    included, ends this sequence alone.
    """

    def __init__(self, request: GenerationRequest, prompt: Prompt, tokens: TokenBytes) -> None:
        self.sequence = TokenSequence(
            prompt.token_ids,
            request.id,
            prompt.index,
            wants_prompt_logits=request.prompt_logprobs,
            embedded=prompt.embedded,
            owner=request.owner,
            scope=request.scope,
        )
        self.sink = request.sink
        self.num_prompt_tokens = len(prompt.token_ids)
        self.clock = TokenClock(request.submitted_at)
        self.params = prompt.params
        self.sampler = SamplerState(prompt.params, texts_only(prompt.token_ids), choice=prompt.choice)
        self.constraint = None if prompt.grammar is None else prompt.grammar.start()
        self._failure: BaseException | None = None  # of the constraint, beside a step
        self._detokenizer = Detokenizer(tokens, prompt.params.stop, prompt.shown_token_ids)
        self._stream = request.stream
        self._text: list[str] = []
        self._num_released = 0  # characters of the sequence's text that are certain
        self._token_ids: list[int] = []
        self._logprobs: list[TokenLogprobs] = []
        self._first_token_at: float | None = None

    def update_allowed(self) -> None:
        """Compute which tokens the constraint allows next; beside the step, so that nobody waits for it."""
        assert self.constraint is not None, "only a constrained sequence has something to compute"
        try:
            closing = self.constraint.closing(self.num_remaining)
            self.sampler.allowed = self.constraint.allowed() if closing is None else closing
        except BaseException as error:
            self._failure = error

    def settle(self, drawn: Drawn) -> Drawn:
        """Return the token to take for a drawn one: another where the constraint could not be met after it."""
        if self.constraint is None or self._failure is not None or isinstance(drawn, Exception):
            return drawn
        try:
            return self.constraint.settle(drawn, self.num_remaining)
        except BaseException as error:
            self._failure = error
            return drawn

    def accept(
        self, drawn: Drawn, logprobs: TokenLogprobs | None, eos_token_ids: Collection[int]
    ) -> SequenceOutput | None:
        """Take a drawn token and return the event it causes, if any; the last one says how the sequence ended."""
        if self._first_token_at is None:
            self._first_token_at = time.perf_counter()
        try:
            if isinstance(drawn, Exception):
                raise drawn
            if self._failure is not None:
                raise self._failure
            if not self.params.max_tokens:
                return self._output(finish_reason="length")
            self.sequence.append(drawn)
            ends = drawn in eos_token_ids or drawn in self.params.stop_token_ids
            finish_reason = self._take(drawn, logprobs, ends=ends)
            if finish_reason is None and self.constraint is not None:
                finish_reason = self._take_forced(self.constraint)
        except BaseException as error:
            return self.fail(error)
        if finish_reason is None and not self._stream:
            return None
        return self._output(finish_reason=finish_reason)

    def _take(self, token_id: int, logprobs: TokenLogprobs | None, *, ends: bool) -> FinishReason | None:
        """Note one token of the sequence and return why it ends with it, if it does. Raises: ConstraintFailed."""
        self.sampler.accept(token_id)
        if self.constraint is not None and not ends:
            self.constraint.accept(token_id)
        if not ends:  # the end-of-text token is no part of the text
            self._token_ids.append(token_id)
            if logprobs is not None:
                offset = self._num_released + self._detokenizer.num_held
                self._logprobs.append(replace(logprobs, text_offset=offset))
        return self._advance(token_id, ends=ends)

    def _take_forced(self, constraint: Constraint | PrefacedConstraint) -> FinishReason | None:
        """Take the tokens that the constraint leaves no choice about: the model is not asked for each of them.

        Not where log-probabilities are wanted, which only the model knows.
        """
        if self.params.logprobs is not None:
            return None
        taken: list[int] = []
        for token_id in constraint.forced():
            taken.append(token_id)
            finish_reason = self._take(token_id, None, ends=False)
            if finish_reason is not None:
                return finish_reason
        if taken:
            self.sequence.append_known(taken)
        return None

    def add_prompt_logprobs(self, logprobs: TokenLogprobs) -> None:
        """Keep the log-probabilities of a prompt token; they go out before those of the generated ones."""
        self._logprobs.append(logprobs)

    def fail(self, error: BaseException) -> SequenceOutput:
        """Return the event that ends the sequence with ``error``, or with what a request is told of it."""
        return self._output(error=as_told(error))

    def _advance(self, token_id: int, *, ends: bool) -> FinishReason | None:
        if not ends:
            self._release(self._detokenizer.push(token_id))
        constraint = self.constraint
        if ends or self._detokenizer.stopped or (constraint is not None and constraint.is_complete):
            self._release(self._detokenizer.flush())
            return "length" if constraint is not None and constraint.was_closed else "stop"
        if self.sampler.num_generated >= self.params.max_tokens:
            self._release(self._detokenizer.flush())
            return "stop" if self._detokenizer.stopped else "length"
        return None

    @property
    def num_remaining(self) -> int:
        """How many tokens it may still generate."""
        return self.params.max_tokens - self.sampler.num_generated

    def _release(self, text: str) -> None:
        self._text.append(text)
        self._num_released += len(text)

    def _take_logprobs(self) -> tuple[TokenLogprobs, ...]:
        """Return the log-probabilities of the tokens whose text is out; those of a stop string never are."""
        settled = not self._detokenizer.stopped and self._detokenizer.num_held == 0
        ready = [each for each in self._logprobs if settled or each.text_offset < self._num_released]
        self._logprobs = self._logprobs[len(ready) :]
        return tuple(ready)

    def _output(self, *, finish_reason: FinishReason | None = None, error: Exception | None = None) -> SequenceOutput:
        output = SequenceOutput(
            index=self.sequence.index,
            text="".join(self._text),
            token_ids=tuple(self._token_ids),
            logprobs=self._take_logprobs(),
            finish_reason=finish_reason,
            stop_string=self._detokenizer.hit,
            error=error,
            num_cached_tokens=self.sequence.num_cached,
            first_token_at=self._first_token_at,
            placed_at=self.sequence.placed_at,
        )
        self._text, self._token_ids = [], []
        return output
