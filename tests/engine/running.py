"""A running engine over the reference model, a session that can be held up or made to fail, and generation's twin."""

from __future__ import annotations

import itertools
import math
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.detokenizer import TokenBytes
from jan_ort.engine.engine import Engine
from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.engine.in_flight import Delivery
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.sampling.chain import Sampler
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState
from jan_ort_backends import Capability, OpenOptions, SlotTokens, StepOutput
from jan_ort_backends.reference import ReferenceSession, backend
from jan_ort_backends.reference_tokenizer import EOS_TOKEN_ID, FOLDER

Tokens = NDArray[np.int64]
Sink = queue.SimpleQueue[SequenceOutput]

WAIT_S = 20.0
CONTEXT_LENGTH = 512
TOKENIZER = TextTokenizer(FOLDER / "tokenizer.json")
ALL = frozenset(Capability)
CHUNKED = ALL - {Capability.MIXED_BATCH}
PLAIN = frozenset({Capability.GENERATE})

_ids = itertools.count()


def encode(text: str) -> Tokens:
    return TOKENIZER.encode(text)


class Panic(BaseException):
    """What a library in Rust raises for an assertion of its own: no Exception."""


class HeldSession(ReferenceSession):
    """A reference session whose steps wait for ``allow`` while ``held``, and fail where ``fails`` says so."""

    def __init__(self, num_slots: int) -> None:
        super().__init__(num_slots, CONTEXT_LENGTH)
        self.held = False
        self.allow = threading.Semaphore(0)
        self.entered: queue.SimpleQueue[list[SlotTokens]] = queue.SimpleQueue()
        self.batches: list[list[tuple[int, int]]] = []
        self.fails: Callable[[Sequence[SlotTokens]], BaseException | None] = lambda batch: None
        self.interrupted = threading.Event()
        self.num_closed = 0

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        self.batches.append([(row.slot, len(row.token_ids)) for row in batch])
        error = self.fails(batch)
        if error is not None:
            raise error
        return super().step(batch)

    def _run_row(self, row: SlotTokens) -> list[NDArray[np.float64]]:
        # Here the step has begun, so that an interrupt reaches it.
        if self.held:
            self.entered.put([row])
            assert self.allow.acquire(timeout=WAIT_S)
        return super()._run_row(row)

    def interrupt(self) -> None:
        super().interrupt()
        self.interrupted.set()

    def release(self) -> None:
        """Hold nothing up any more."""
        self.held = False
        self.allow.release(1000)

    def close(self) -> None:
        self.num_closed += 1


def put_all(events: Sequence[tuple[Sink, SequenceOutput]]) -> None:
    for sink, event in events:
        sink.put(event)


@contextmanager
def running(
    session: ReferenceSession | None = None,
    *,
    capabilities: Collection[Capability] = ALL,
    max_queued: int = 512,
    prefill_step_s: float = math.inf,
    deliver: Delivery = put_all,
    tokens: TokenBytes = TOKENIZER,
) -> Iterator[Engine]:
    """Start an engine over ``session`` and close it at the end."""
    engine = Engine(
        session or backend.open(FOLDER, OpenOptions(num_slots=8)),
        capabilities=capabilities,
        tokens=tokens,
        eos_token_ids=[EOS_TOKEN_ID],
        deliver=deliver,
        max_queued=max_queued,
        prefill_step_s=prefill_step_s,
    )
    engine.start()
    try:
        yield engine
    finally:
        if isinstance(session, HeldSession):
            session.release()
        engine.close()


def request(*prompts: Prompt, stream: bool = False, prompt_logprobs: bool = False) -> GenerationRequest:
    return GenerationRequest(f"request{next(_ids)}", prompts, queue.SimpleQueue(), stream, prompt_logprobs)


def ask(text: str, params: SamplingParams, *, stream: bool = False) -> GenerationRequest:
    """Return a request for one continuation of ``text``."""
    return request(Prompt(encode(text), 0, params), stream=stream)


def events_of(asked: GenerationRequest) -> list[SequenceOutput]:
    """Wait for the end of every sequence of the request and return all its events."""
    events: list[SequenceOutput] = []
    while sum(event.is_last for event in events) < len(asked.prompts):
        events.append(asked.sink.get(timeout=WAIT_S))
    return events


def outputs_of(asked: GenerationRequest) -> list[SequenceOutput]:
    """Return the one event of each sequence of a request that is no stream, by index."""
    events = events_of(asked)
    assert len(events) == len(asked.prompts)
    return sorted(events, key=lambda event: event.index)


def generate(engine: Engine, text: str, params: SamplingParams) -> SequenceOutput:
    asked = ask(text, params)
    engine.submit(asked)
    return outputs_of(asked)[0]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.001)


def twin_generate(prompt: Tokens, params: SamplingParams, *, choice: int = 0) -> tuple[list[int], str]:
    """Generate with one slot, one token at a time, from whole rows: token ids and finish reason."""
    session = backend.open(FOLDER, OpenOptions(num_slots=1))
    state = SamplerState(params, prompt, choice=choice)
    output = session.step([SlotTokens(0, prompt)])
    token_ids: list[int] = []
    while True:
        (token_id,) = Sampler([EOS_TOKEN_ID]).sample(output.logits, [state])
        assert isinstance(token_id, int)
        state.accept(token_id)
        if token_id == EOS_TOKEN_ID:
            return token_ids, "stop"
        token_ids.append(token_id)
        if len(token_ids) == params.max_tokens:
            return token_ids, "length"
        output = session.step([SlotTokens(0, np.array([token_id]))])


def log_softmax_rows(token_ids: Tokens) -> NDArray[np.float64]:
    """Return the log-probabilities after each of the tokens, from one direct run: float64 ``(n, vocab_size)``."""
    session = backend.open(FOLDER, OpenOptions(num_slots=1))
    logits = session.step([SlotTokens(0, token_ids, len(token_ids))]).logits.astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    rows: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return rows
