"""An engine over the real SmolLM2 session, and its slow twin: one slot, whole prompts, one token at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from jan_ort.engine.batching import Batching
from jan_ort.engine.engine import Engine
from jan_ort.engine.events import SequenceOutput, TokenLogprobs
from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.engine.logprobs import token_logprobs
from jan_ort.engine.scheduler import Scheduler
from jan_ort.models.folder import ModelFolder
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.sampling.chain import Sampler
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState
from jan_ort_backends import Interrupted, OpenOptions, Session, SlotTokens, State, StepOutput
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.engine.running import Tokens, events_of, put_all, request

Values = list[tuple[int, float, tuple[tuple[int, float], ...]]]
"""Each token with its log-probability and the likeliest alternatives; empty where none were asked for."""


class KeptSession(Session):
    """The real session, which outlives the engines that close it; each begins with empty slots."""

    def __init__(self, path: Path, *, context_length: int = 1024, num_slots: int = 8) -> None:
        options = OpenOptions(num_slots=num_slots, context_length=context_length)
        self._session = OnnxRuntimeBackend().open(path, options)
        self.info = self._session.info
        self.num_interrupted = 0

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        try:
            return self._session.step(batch)
        except Interrupted:
            self.num_interrupted += 1
            raise

    def truncate(self, slot: int, length: int) -> None:
        self._session.truncate(slot, length)

    def fork(self, source: int, target: int, length: int) -> None:
        self._session.fork(source, target, length)

    def save(self, slot: int) -> State:
        return self._session.save(slot)

    def load(self, slot: int, state: State) -> None:
        self._session.load(slot, state)

    def interrupt(self) -> None:
        self._session.interrupt()

    def empty(self) -> None:
        for slot in range(self.info.num_slots):
            self.truncate(slot, 0)


class Twin:
    """Generates alone and uncached: every prompt in one run, every row sampled from the whole vocabulary."""

    def __init__(self, path: Path, *, context_length: int = 1024) -> None:
        self.session = KeptSession(path, context_length=context_length, num_slots=1)
        self._known: dict[tuple[bytes, SamplingParams, int], tuple[tuple[int, ...], Values]] = {}
        self.tokenizer = TextTokenizer(path / "tokenizer.json")
        self.eos_token_ids = ModelFolder.read(path).eos_token_ids

    def encode(self, text: str) -> Tokens:
        return self.tokenizer.encode(text)

    def generate(self, prompt: Tokens, params: SamplingParams, *, choice: int = 0) -> tuple[tuple[int, ...], Values]:
        """Return the token ids and their log-probabilities; of a question asked before, the same ones."""
        question = prompt.tobytes(), params, choice
        if question not in self._known:
            self._known[question] = self._generate(prompt, SamplerState(params, prompt, choice=choice))
        return self._known[question]

    def _generate(self, prompt: Tokens, state: SamplerState) -> tuple[tuple[int, ...], Values]:
        token_ids: list[int] = []
        values: Values = []
        self.session.empty()
        logits = self.session.step([SlotTokens(0, prompt)]).logits
        while True:
            (token_id,) = Sampler(self.eos_token_ids).sample(logits, [state])
            assert isinstance(token_id, int)
            state.accept(token_id)
            if token_id in self.eos_token_ids:
                break
            token_ids.append(token_id)
            if state.params.logprobs is not None:
                (value,) = token_logprobs(logits, [token_id], [state.params.logprobs])
                assert isinstance(value, TokenLogprobs)
                values.append((value.token_id, value.logprob, value.top))
            if len(token_ids) == state.params.max_tokens:
                break
            logits = self.session.step([SlotTokens(0, np.array([token_id]))]).logits
        return tuple(token_ids), values


@contextmanager
def running_weights(session: KeptSession, twin: Twin, *, batching: Batching | None = None) -> Iterator[Engine]:
    """Start an engine over the emptied session and close it at the end."""
    session.empty()
    engine = Engine(
        session,
        capabilities=OnnxRuntimeBackend.capabilities,
        tokens=twin.tokenizer,
        eos_token_ids=twin.eos_token_ids,
        deliver=put_all,
    )
    if batching is not None:
        engine._scheduler = engine._endings._scheduler = Scheduler(session.info.num_slots, batching)
    engine.start()
    try:
        yield engine
    finally:
        engine.close()


def num_slots_that_cache(engine: Engine) -> int:
    return sum(len(slot.cached) > 0 for slot in engine._scheduler.slots.slots)


def joined(events: list[SequenceOutput]) -> tuple[tuple[int, ...], Values]:
    """Return what the twin returns, from one sequence's events."""
    assert events[-1].error is None
    token_ids = tuple(token_id for event in events for token_id in event.token_ids)
    logprobs = [each for event in events for each in event.logprobs]
    return token_ids, [(each.token_id, each.logprob, each.top) for each in logprobs]


def generate(engine: Engine, prompt: Tokens, params: SamplingParams) -> tuple[tuple[int, ...], Values]:
    asked = ask_tokens(prompt, params)
    engine.submit(asked)
    return joined(events_of(asked))


def ask_tokens(prompt: Tokens, params: SamplingParams, *, stream: bool = False) -> GenerationRequest:
    return request(Prompt(prompt, 0, params), stream=stream)
