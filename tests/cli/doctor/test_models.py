"""The doctor opens each model that a start would open at once, and says of the others what a start would do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jan_ort.cli.doctor.examination import examine_all
from jan_ort.ground.task import EMBED, GENERATE, RERANK, TASKS, Task
from jan_ort.models.cache.model_cache import ModelCache
from jan_ort.models.sources import find_source, resolve_model
from jan_ort.models.sources.base import Known, MadeSource, Wanted
from jan_ort_backends.reference import ReferenceBackend
from tests.convert.tiny_bert import write_tiny_bert
from tests.convert.tiny_llama import TinyLlama


def found(tmp_path: Path, reference: str, task: Task = GENERATE, weights: str = "int8") -> tuple[str, bool]:
    """Return the state of the model, and whether it was opened."""
    flags = {("embedding_model" if task == EMBED else "model"): (reference,), "weights": weights, "port": 0}

    report = examine_all(flags | {"cache_dir": tmp_path / "cache"})

    assert report.problems == ()
    (model,) = report.models
    return model.state, model.device is not None


def plant(tmp_path: Path, reference: str, task: Task, weights: str = "int8") -> None:
    """Put the reference model's folder into the cache, where a fetch would put what ``reference`` names."""
    named, cache = find_source(reference, Known(), task=task), ModelCache(tmp_path / "cache")
    assert isinstance(named, MadeSource)
    own = ReferenceBackend.builtin_models["reference-reranker" if task == RERANK else "reference"]
    key = named.key(Wanted(task, weights), cache.file_sha256)
    assert key is not None

    def build(work: Path, target: Path) -> None:
        shutil.copytree(own, target, dirs_exist_ok=True)

    cache.get_or_build(key, build)


def with_tokenizer(folder: Path) -> Path:
    shutil.copy(ReferenceBackend.builtin_models["reference"] / "tokenizer.json", folder)
    return folder


@pytest.mark.parametrize(
    ("write", "task"),
    [
        (lambda folder: TinyLlama().write(folder / "tiny.gguf"), GENERATE),
        (lambda folder: with_tokenizer(write_tiny_bert(folder / "tiny")), EMBED),
    ],
    ids=["gguf", "sentence-transformers"],
)
def test_a_local_source_is_opened_once_it_is_converted(
    tmp_path: Path, write: Callable[[Path], Path], task: Task
) -> None:
    source = str(write(tmp_path))

    before = found(tmp_path, source, task)
    resolve_model(source, task=task, cache_dir=tmp_path / "cache")

    assert (before, found(tmp_path, source, task)) == (("to be converted", False), ("cached", True))


def test_a_conversion_to_other_weights_or_of_an_older_file_does_not_count(tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")
    resolve_model(str(source), task=GENERATE, cache_dir=tmp_path / "cache", weights="int4")

    other = found(tmp_path, str(source), weights="int8")
    TinyLlama(metadata={"general.name": "changed"}).write(source)
    changed = found(tmp_path, str(source), weights="int4")

    assert (other, changed) == (("to be converted", False), ("to be converted", False))


@pytest.mark.parametrize(
    ("kind", "task"), [*(("hub", task) for task in TASKS), ("catalogue", GENERATE), ("catalogue", EMBED)], ids=str
)
def test_what_was_fetched_is_opened(tmp_path: Path, kind: str, task: Task) -> None:
    names = {GENERATE: "smollm2-135m-instruct", EMBED: "all-minilm-l6-v2"}
    reference = "org/name" if kind == "hub" else names[task]

    before = found(tmp_path, reference, task)
    plant(tmp_path, reference, task)

    assert (before, found(tmp_path, reference, task)) == (("to be fetched", False), ("cached", True))


def test_a_file_that_cannot_be_converted_is_told_before_it_is(tmp_path: Path) -> None:
    source = TinyLlama(metadata={"general.type": "adapter"}).write(tmp_path / "adapter.gguf")

    report = examine_all({"model": (str(source),), "cache_dir": tmp_path / "cache", "port": 0})

    assert ["it is a LoRA adapter" in problem.message for problem in report.problems] == [True]


def test_looking_for_a_model_writes_nothing(tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")

    found(tmp_path, str(source))

    assert [*tmp_path.iterdir()] == [source]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "tokenizer.json").write_text('{"model": {}}'), "cannot be read as a tokenizer"),
        (lambda folder: (folder / "chat_template.jinja").write_text("{% for"), "chat template"),
    ],
    ids=["tokenizer", "template"],
)
def test_what_ends_a_start_after_opening_is_a_problem(
    tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    folder = Path(shutil.copytree(ReferenceBackend.builtin_models["reference"], tmp_path / "folder"))
    spoil(folder)

    (problem,) = examine_all({"model": (str(folder),), "backend": "reference", "port": 0}).problems

    assert message in problem.message


def test_two_models_of_one_name_are_a_problem(tmp_path: Path) -> None:
    own = ReferenceBackend.builtin_models["reference"]
    folders = [str(shutil.copytree(own, tmp_path / place / "same")) for place in "ab"]

    report = examine_all({"model": folders, "backend": "reference", "port": 0}, quick=True)

    assert [problem.message.split(" (")[0] for problem in report.problems] == ["2 models are named 'reference'"]
