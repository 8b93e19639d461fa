"""One sequence's way from sampled tokens to the events that its handler receives (hops 7 to 9)."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.detokenizer import Detokenizer, TokenBytes
from jan_ort.engine.events import FinishReason, SequenceOutput, TokenLogprobs
from jan_ort.engine.sequence import Sequence
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState


class Generation:
    """What is kept of a sequence beside its slot: sampler state, detokenizer, and what was not sent yet.

    With ``stream`` every step's news is an event; without it one event comes at the end.
    """

    def __init__(self, sequence: Sequence, params: SamplingParams, tokens: TokenBytes, *, choice: int, stream: bool):
        self.sequence = sequence
        self.params = params
        self.sampler = SamplerState(params, sequence.prompt, choice=choice)
        self._detokenizer = Detokenizer(tokens, params.stop)
        self._stream = stream
        self._text: list[str] = []
        self._num_released = 0  # characters of the sequence's text that are certain
        self._token_ids: list[int] = []
        self._logprobs: list[TokenLogprobs] = []
        self._first_token_at: float | None = None

    def accept(
        self, token_id: int, logprobs: TokenLogprobs | None, eos_token_ids: Collection[int]
    ) -> SequenceOutput | None:
        """Take a sampled token and return the event it causes, if any; the last one carries the finish reason."""
        if self._first_token_at is None:
            self._first_token_at = time.perf_counter()
        self.sampler.accept(token_id)
        self.sequence.last_token_id = token_id
        ends = token_id in eos_token_ids
        if not ends:  # the end-of-text token is no part of the text
            self._token_ids.append(token_id)
            if logprobs is not None:
                offset = self._num_released + self._detokenizer.num_held
                self._logprobs.append(replace(logprobs, text_offset=offset))
        finish_reason = self._advance(token_id, ends=ends)
        if finish_reason is None and not self._stream:
            return None
        return self._output(finish_reason=finish_reason)

    def add_prompt_logprobs(self, logprobs: list[TokenLogprobs]) -> None:
        """Keep the log-probabilities of prompt tokens; they go out before those of the generated ones."""
        self._logprobs.extend(logprobs)

    def fail(self, error: Exception) -> SequenceOutput:
        """Return the event that ends the sequence with ``error``."""
        return self._output(error=error)

    def _advance(self, token_id: int, *, ends: bool) -> FinishReason | None:
        if not ends:
            self._release(self._detokenizer.push(token_id))
        if ends or self._detokenizer.stopped:
            self._release(self._detokenizer.flush())
            return "stop"
        if self.sampler.num_generated >= self.params.max_tokens:
            self._release(self._detokenizer.flush())
            return "stop" if self._detokenizer.stopped else "length"
        return None

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
            error=error,
            num_cached_tokens=self.sequence.num_cached,
            first_token_at=self._first_token_at,
        )
        self._text, self._token_ids = [], []
        return output


@dataclass(frozen=True, slots=True)
class Prompt:
    """One sequence that a request asks for.

    ``token_ids``: int64 ``(n,)``, n >= 1. ``index`` is its place in the request, ``choice`` the one among the choices
    of the same prompt.
    """

    token_ids: NDArray[np.int64]
    index: int
    params: SamplingParams
    choice: int = 0


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Everything the engine needs of one HTTP request; ``sink`` is handed back with each of its events."""

    id: str
    prompts: tuple[Prompt, ...]
    sink: Any = field(repr=False)
    stream: bool = False
    prompt_logprobs: bool = False
