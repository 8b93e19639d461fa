"""GGUF files that embed: each gives the vectors of llama.cpp, and is served by its path alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort.convert import check_gguf_encoder, convert_gguf_encoder
from jan_ort.ground.model_errors import ConversionError, ModelReferenceError
from jan_ort.ground.task import EMBED, GENERATE, RERANK
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, Wanted
from jan_ort.models.sources.gguf import convert_gguf_file
from tests.convert.test_encoder_models import run, tokenized
from tests.fixtures.gguf_models import EMBEDDERS, embedders, write
from tests.fixtures.gguf_models.model import Model
from tests.fixtures.gguf_models.recordings import TEXTS, VECTORS

RECORDED = np.load(VECTORS)
_IN_NO_RECIPE = {"expert_count", "rope.dimension_count"}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def changed(folder: Path, recipe: str, monkeypatch: pytest.MonkeyPatch, **values: Any) -> Path:
    """Write a file with other values of its keys; None leaves one out, and a dot is two underscores."""
    write_key: Callable[..., None] = Model.key
    values = {name.replace("__", "."): value for name, value in values.items()}

    def write_changed(model: Model, name: str, value: object) -> None:
        if (value := values.pop(name, value)) is not None:
            write_key(model, name, value)
        if name == "context_length":  # the first one
            for extra in _IN_NO_RECIPE & values.keys():
                write_key(model, extra, values.pop(extra))

    monkeypatch.setattr(Model, "key", write_changed)
    return write(recipe, folder)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_vectors_equal_those_of_llama_cpp_alone_and_in_company(name: str, tmp_path: Path, target: Path) -> None:
    convert_gguf_encoder(write(name, tmp_path), target)

    rows = tokenized(target, TEXTS)
    alone = np.concatenate([run(target, [row]) for row in rows])

    assert (alone * RECORDED[name]).sum(axis=1).min() >= 1 - 1e-6  # both have length 1
    np.testing.assert_allclose(run(target, rows), alone, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("bert-cls", EMBED),
        ("qwen3-last", EMBED),
        ("gemma-embedding", EMBED),
        ("llama-both-ways", EMBED),
        ("qwen3", GENERATE),
    ],
)
def test_a_file_says_what_it_is_for(name: str, task: object, tmp_path: Path) -> None:
    source = find_source(str(write(name, tmp_path)), Known())

    assert source.stated_task() == task


def test_asking_what_a_file_is_for_imports_nothing_that_writes_graphs(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from jan_ort.convert import gguf_task; "
    code += "assert gguf_task(Path(sys.argv[1])).name == 'embed' and 'onnx' not in sys.modules"

    subprocess.run([sys.executable, "-c", code, write("bert-cls", tmp_path)], check=True)


def test_a_model_that_looks_both_ways_embeds_whatever_it_says_of_pooling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = changed(tmp_path, "llama-both-ways", monkeypatch, pooling_type=None)

    assert find_source(str(path), Known()).stated_task() == EMBED
    with pytest.raises(ConversionError, match="does not say how"):
        check_gguf_encoder(path)


def test_heads_of_a_size_that_no_kernel_rotates_are_rotated_outside(tmp_path: Path, target: Path) -> None:
    convert_gguf_encoder(write("qwen3-last", tmp_path, head_dim=24), target)

    rows = tokenized(target, TEXTS)
    np.testing.assert_allclose(run(target, rows), np.concatenate([run(target, [row]) for row in rows]), atol=1e-6)


def test_a_file_is_converted_once_for_what_it_says(tmp_path: Path) -> None:
    path = write("bert-cls", tmp_path)
    source, wanted, cache = find_source(str(path), Known(), task=EMBED), Wanted(EMBED), tmp_path / "cache"

    folder = source.read(source.make(wanted, cache))

    assert (folder.task, folder.context_length, folder.chat_template) == (EMBED, 512, None)
    assert source.present(wanted, cache) == folder.path
    with pytest.raises(ModelReferenceError, match="makes embeddings, but one that generates text is needed here"):
        find_source(str(path), Known(), task=GENERATE)


def test_weights_that_stay_as_they_are_and_pooling_are_of_the_task(tmp_path: Path) -> None:
    source, cache = find_source(str(write("bert-cls", tmp_path)), Known()), tmp_path / "cache"

    folder = source.make(Wanted(EMBED, "as-is"), cache)

    assert (folder / "model.onnx").exists()  # no backend embeds with the file
    assert source.make(Wanted(EMBED), cache) == folder
    assert source.present(Wanted(EMBED, pooling="mean"), cache) is None


def test_a_fetched_file_of_another_task_is_refused(tmp_path: Path, target: Path) -> None:
    path = write("qwen3", tmp_path)

    with pytest.raises(ConversionError, match="generates text, but one that makes embeddings is needed here"):
        convert_gguf_file(path, target, Wanted(EMBED), name="m", progress=lambda stage, fraction: None)


def test_a_damaged_header_says_nothing_and_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(write("bert-cls", tmp_path).read_bytes()[:200])

    source = find_source(str(path), Known(), task=EMBED)

    assert source.stated_task() is None
    with pytest.raises(ConversionError, match=r"damaged\.gguf: truncated or damaged GGUF file"):
        source.check(Wanted(EMBED))


@pytest.mark.parametrize("pooling", [None, 0])
def test_a_file_that_does_not_say_how_it_pools_pools_as_it_is_told(
    pooling: int | None, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = changed(tmp_path, "bert-mean", monkeypatch, pooling_type=pooling)

    assert find_source(str(path), Known()).stated_task() == EMBED
    with pytest.raises(ConversionError, match=r"does not say how .* --pooling mean, cls, max or last"):
        check_gguf_encoder(path)

    convert_gguf_encoder(path, target, pooling="mean")
    rows = tokenized(target, TEXTS)
    assert (run(target, rows) * RECORDED["bert-mean"]).sum(axis=1).min() >= 1 - 1e-4


@pytest.mark.parametrize(
    ("recipe", "values", "message"),
    [
        ("bert-cls", {"pooling_type": 7}, r"bert\.pooling_type' is '7'"),
        ("bert-cls", {"attention__causal": True}, r"attention\.causal' is true"),
        ("bert-cls", {"expert_count": 8}, r"bert\.expert_count' changes the model"),
        ("nomic-bert", {"rope__dimension_count": 8}, r"rope\.dimension_count' changes the model"),
        ("nomic-bert", {"attention__head_count": 3}, "impossible sizes"),
    ],
)
def test_what_is_not_followed_is_refused_by_name(
    recipe: str, values: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = changed(tmp_path, recipe, monkeypatch, **values)

    with pytest.raises(ConversionError, match=message):
        check_gguf_encoder(path)


def test_a_file_that_scores_pairs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = changed(tmp_path, "bert-cls", monkeypatch, pooling_type=embedders.RANK)

    with pytest.raises(
        ModelReferenceError, match="scores pairs of texts, but one that makes embeddings is needed here"
    ):
        find_source(str(path), Known(), task=EMBED)
    assert find_source(str(path), Known()).stated_task() == RERANK
