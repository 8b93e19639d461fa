"""An engine without a thread of its own: a test takes its steps one by one, and counts them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from jan_ort.engine.engine import Engine
from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import GenerationRequest
from jan_ort.engine.prefix_pool import PrefixPool
from jan_ort.engine.speculation.drafter import Drafter
from jan_ort_backends import Capability, Session
from jan_ort_backends.reference_tokenizer import EOS_TOKEN_ID
from tests.engine.running import ALL, TOKENIZER, Sink


@dataclass
class Stepped:
    """``first_at`` says before which number of steps a request's first event came, by the identity of its sink."""

    engine: Engine
    num_steps: int = 0
    events: dict[int, list[SequenceOutput]] = field(default_factory=dict)
    """Likewise."""
    sinks: list[Sink] = field(default_factory=list)
    """So that no other has the identity of one."""
    first_at: dict[int, int] = field(default_factory=dict)

    def deliver(self, events: Sequence[tuple[Sink, SequenceOutput]]) -> None:
        for sink, event in events:
            self.first_at.setdefault(id(sink), self.num_steps)
            self.events.setdefault(id(sink), []).append(event)

    def submit(self, *asked: GenerationRequest) -> None:
        for request in asked:
            self.sinks.append(request.sink)
            self.engine.submit(request)
        self.engine._commands.carry_out(wait=False)

    def abort(self, request: GenerationRequest) -> None:
        self.engine.abort(request.id)
        self.engine._commands.carry_out(wait=False)

    def steps(self, num: int) -> None:
        """Take so many steps, or as many as there are."""
        for _ in range(num):
            if not self.engine.step():
                return
            self.num_steps += 1

    def all_steps(self) -> None:
        self.steps(10_000)
        assert not self.engine.step(), "it does not end"

    def outputs(self, request: GenerationRequest) -> list[SequenceOutput]:
        """Return the last event of each sequence of a request that is no stream, by index."""
        ended = [event for event in self.events.get(id(request.sink), ()) if event.is_last]
        return sorted(ended, key=lambda event: event.index)


@contextmanager
def stepped(
    session: Session,
    *,
    capabilities: Collection[Capability] = ALL,
    max_saved_bytes: float = float("inf"),
    max_queued: int = 4096,
    pool: PrefixPool | None = None,
    drafter: Drafter | None = None,
) -> Iterator[Stepped]:
    """Yield an engine over ``session``, which is closed in the end."""
    told: list[Stepped] = []
    engine = Engine(
        session,
        capabilities=capabilities,
        tokens=TOKENIZER,
        eos_token_ids=[EOS_TOKEN_ID],
        deliver=lambda events: told[0].deliver(events),
        max_queued=max_queued,
        max_saved_bytes=max_saved_bytes,
        pool=pool,
        drafter=drafter,
    )
    told.append(Stepped(engine))
    try:
        yield told[0]
    finally:
        engine.close()
