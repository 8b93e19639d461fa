"""A run as a whole: its order, its warnings, and that it does not begin with a folder that is no model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jan_ort_backends import CountedSession, ModelError, OpenOptions, SlotTokens, StepOutput
from jan_ort_backends.reference import ReferenceSession
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_conformance.backend.judging.backend_judge import where_raised
from jan_ort_conformance.backend.judging.backend_run import run_backend
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.reports.terminal import begin_with, print_summary
from jan_ort_conformance.verdicts.results import Case, by_theme
from jan_ort_conformance.verdicts.verdict import Level, Verdict
from tests.conformance.backend.broken import FaultyBackend


class WithoutVectors(CountedSession):
    """Declared as able to embed, and a session that has neither ``embed`` nor a size of vectors."""

    def __init__(self, num_slots: int, context_length: int) -> None:
        self._sound = ReferenceSession(num_slots, context_length)
        super().__init__(replace(self._sound.info, embedding_size=0))

    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        return self._sound.step(batch)


class OpensNothing(FaultyBackend):
    def open(self, model_dir: Path, options: OpenOptions) -> Any:
        return None


class DeclaresVectors(FaultyBackend):
    session_class = WithoutVectors


def test_a_declared_kind_of_model_that_was_not_judged_is_told_and_warned_of() -> None:
    results = run_backend(Subject(DeclaresVectors(), FOLDER), only=("embeddings.*",), time_limit_s=None)

    details = {case.detail for case in results.cases if case.verdict is Verdict.UNSUPPORTED}
    (told,) = details
    (warning,) = results.warnings
    assert told == "embed is declared; this session has no embed(), and it is refused"
    assert warning.startswith("no model that can embed was judged: embed is declared; this session has no embed()")


@pytest.mark.parametrize("pattern", ["embeddings.*", "logits.*", "descriptor.*"])
def test_of_kinds_that_were_judged_nothing_is_warned(pattern: str) -> None:
    results = run_backend(Subject.load("reference"), only=(pattern,), time_limit_s=None)

    assert results.warnings == []


@pytest.mark.parametrize("time_limit_s", [None, 60.0])
def test_a_folder_that_the_backend_refuses_is_told_once_and_no_case_is_run(
    tmp_path: Path, time_limit_s: float | None
) -> None:
    judged: list[Case] = []

    with pytest.raises(ModelError, match=r"config\.json is not readable as JSON"):
        run_backend(Subject.load("reference", tmp_path), time_limit_s=time_limit_s, tell=judged.append)

    assert judged == []


def test_a_folder_that_is_not_there_is_told_whatever_the_backend_makes_of_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        run_backend(Subject.load("reference", tmp_path / "nowhere"), time_limit_s=None)


def test_a_model_that_opens_to_nothing_is_judged_and_not_refused() -> None:
    results = run_backend(Subject(OpensNothing(), FOLDER), only=("logits.form",), time_limit_s=None)

    (case,) = results.cases
    assert case.verdict is Verdict.FAIL
    assert "backend 'reference' opened a NoneType; it must subclass Session" in case.detail


def test_the_themes_that_others_build_on_come_first() -> None:
    themes = list(by_theme(run_backend(Subject.load("reference"), level=Level.CORE, time_limit_s=None).cases))

    assert themes[:5] == ["descriptor", "opening", "refused_input", "slots", "logits"]


def test_the_summary_ends_with_the_case_to_begin_with() -> None:
    only = ("interrupts.*", "slots.*", "logits.form")
    results = run_backend(Subject(OpensNothing(), FOLDER), only=only, time_limit_s=None)
    sound = run_backend(Subject.load("reference"), only=("slots.*",), time_limit_s=None)
    console = Console(file=StringIO(), record=True)

    print_summary(results, console)

    assert console.export_text().rstrip().endswith("begin with: slots.start_empty")
    assert begin_with(sound) == ""


def test_a_traceback_keeps_the_authors_own_line() -> None:
    try:
        _called_by_an_author()
    except ValueError as error:
        shown = where_raised(error, DeclaresVectors())

    assert "test_runner.py" in shown
    assert "deep = json.loads" in shown
    assert shown.count("File ") == 4


def _called_by_an_author() -> None:
    deep = json.loads("{nothing")
    raise AssertionError(deep)
