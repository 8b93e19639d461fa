"""The reference backend with one fault at a time; each fault names the check that has to catch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jan_ort_backends import Backend, OpenOptions, Session
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.verdicts.verdict import Verdict


@dataclass(frozen=True)
class Fault:
    """What is wrong is the name; ``caught_by`` is the check that names it and ``verdict`` what that has to say."""

    name: str
    caught_by: str
    verdict: Verdict
    backend: Backend

    def subject(self) -> Subject:
        return Subject(self.backend, FOLDER)


FAULTS: dict[str, Fault] = {}


class FaultyBackend(ReferenceBackend):
    """The reference backend with sessions of another class."""

    session_class: Callable[[int, int], Session] = ReferenceSession

    def open(self, model_dir: Path, options: OpenOptions) -> Any:
        sound = super().open(model_dir, options)
        granted = sound.info
        sound.close()
        return type(self).session_class(granted.num_slots, granted.context_length)


def fault(caught_by: str, verdict: Verdict = Verdict.FAIL) -> Callable[[type], type]:
    """Register a faulty session class, or a faulty backend class, under its own name."""

    def add(faulty: type) -> type:
        if not issubclass(faulty, Session):
            backend = faulty()
        else:
            backend = type(faulty.__name__, (FaultyBackend,), {"session_class": faulty})()
        assert faulty.__name__ not in FAULTS
        FAULTS[faulty.__name__] = Fault(faulty.__name__, caught_by, verdict, backend)
        return faulty

    return add
