"""What is kept of sequences that are queued or running, and who is told how they end (hops 4 and 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jan_ort.engine.admission import Admission
from jan_ort.engine.detokenizer import TokenBytes
from jan_ort.engine.engine_errors import as_told
from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import Generation, GenerationRequest
from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.statistics import EngineStatistics

Delivery = Callable[[Sequence[tuple[Any, SequenceOutput]]], None]
"""Takes one step's events, each with its request's sink; called from the engine's thread, once a step at most."""


class InFlight:
    """The generations by their sequences' ids. ``admission`` is for any thread, the rest for the engine's."""

    def __init__(self, max_queued: int, tokens: TokenBytes, deliver: Delivery) -> None:
        self.ended: Callable[[TokenSequence], None] = lambda sequence: None
        self.admission = Admission(max_queued)
        self.statistics = EngineStatistics()
        self.generations: dict[int, Generation] = {}
        self.deliver = deliver
        self._tokens = tokens

    def begin(self, request: GenerationRequest) -> list[TokenSequence]:
        """Return the sequences of an admitted request; one that cannot begin is told so."""
        begun = []
        for prompt in request.prompts:
            try:
                generation = Generation(request, prompt, self._tokens)
            except BaseException as error:
                self.admission.end(request.id)
                self.deliver([(request.sink, SequenceOutput(prompt.index, "", error=as_told(error)))])
            else:
                self.generations[generation.sequence.id] = generation
                begun.append(generation.sequence)
        return begun

    def drop(self, sequence: TokenSequence, reason: str) -> Generation:
        """Forget a sequence that has ended for this reason."""
        self.admission.end(sequence.request_id)
        generation = self.generations.pop(sequence.id)
        self.statistics.end(generation, reason)
        self.ended(sequence)
        return generation

    def fail(self, sequences: Iterable[TokenSequence], error: BaseException) -> None:
        """End sequences with an error."""
        dropped = [self.drop(sequence, "error") for sequence in sequences]
        self.tell(dropped, error)

    def end_rest(self, error: BaseException) -> None:
        """End all that is left, uncounted."""
        left = list(self.generations.values())
        self.generations.clear()
        self.admission.clear()
        self.tell(left, error)

    def tell(self, generations: Sequence[Generation], error: BaseException) -> None:
        """Let requests know with which error these have ended."""
        if generations:
            self.deliver([(generation.sink, generation.fail(error)) for generation in generations])
