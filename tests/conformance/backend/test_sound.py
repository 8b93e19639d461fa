"""What a sound backend may do: the kit blames it for none of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from jan_ort_backends import Available, Capability, SlotTokens, StepOutput
from jan_ort_backends.checks import check_kind
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_conformance.backend.checks import select
from jan_ort_conformance.backend.judging.backend_judge import judge_backend_check
from jan_ort_conformance.backend.judging.backend_run import run_backend
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.verdicts.verdict import Verdict
from tests.conformance.backend.broken import FaultyBackend
from tests.conformance.backend.broken_checkpoints import Checkpointed, GeneratesOnly, NothingKept
from tests.conformance.backend.quick_session import QuickSession

INTERRUPTS = (
    "between_steps_do_nothing",
    "end_a_running_step",
    "leave_every_length_of_a_batch",
    "leave_what_slots_hold",
    "leave_decoding_slots",
)


class TellsItsFreeMemory(ReferenceBackend):
    free = itertools.count(1000)

    def probe(self) -> Available:
        return Available(f"{next(self.free)} KiB free")


class LongVectorsSession(ReferenceSession):
    """Vectors that are not normalised, and rounded otherwise in every batch."""

    def embed(self, batch: Any) -> Any:
        return super().embed(batch) * np.float32(300) * np.float32(1 + 1e-7 * len(batch))


class LongVectors(FaultyBackend):
    session_class = LongVectorsSession


class OneKindAtATimeSession(ReferenceSession):
    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        check_kind(batch, self.lengths)
        return super().run(batch)


class OneKindAtATime(FaultyBackend):
    session_class = OneKindAtATimeSession
    capabilities = frozenset(Capability) - {Capability.MIXED_BATCH}


class Quick(FaultyBackend):
    """Steps of microseconds, with a flag that is looked at for each token."""

    session_class = QuickSession


@pytest.mark.parametrize(
    ("backend", "check_id"),
    [
        (TellsItsFreeMemory(), "descriptor.probe_answers"),
        (LongVectors(), "embeddings.equal_alone"),
        (LongVectors(), "embeddings.many_texts"),
        *((Quick(), f"interrupts.{name}") for name in INTERRUPTS),
    ],
)
def test_a_sound_backend_passes(backend: ReferenceBackend, check_id: str) -> None:
    (check,) = select(patterns=(check_id,))

    case = judge_backend_check(check, Subject(backend, FOLDER))

    assert case.verdict is Verdict.PASS, case.detail


@pytest.mark.parametrize("backend", [Checkpointed(), GeneratesOnly(), NothingKept()])
def test_a_sound_session_that_is_cut_at_checkpoints_passes(backend: ReferenceBackend) -> None:
    themes = ("opening.declared_is_implemented", "checkpoints.*", "forks.*", "slots.*", "refused_input.*", "batches.*")

    results = run_backend(Subject(backend, FOLDER), only=themes, time_limit_s=None)

    assert {case.verdict for case in results.cases} == {Verdict.PASS}


def test_a_counted_session_that_checks_the_kind_of_its_steps_is_without_mixed_batches() -> None:
    results = run_backend(Subject(OneKindAtATime(), FOLDER), only=("batches.*", "logits.*"), time_limit_s=None)

    verdicts = {case.id: case.verdict for case in results.cases}
    unsupported = {check_id for check_id, verdict in verdicts.items() if verdict is Verdict.UNSUPPORTED}
    assert unsupported == {"batches.mixed_rows_equal_alone", "batches.mixed_rows_of_any_logits"}
    assert not any(verdict.is_bad for verdict in verdicts.values())
