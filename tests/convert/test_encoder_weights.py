"""Weights of 8 bits in models that embed or rank: near those of float32, and the same bits in any company."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.convert import convert_gguf_encoder, convert_sentence_transformers
from jan_ort.convert.weights.quantization import quantize_columns
from jan_ort.ground.task import EMBED, RERANK
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, MadeSource, Wanted
from jan_ort_backends import OpenOptions
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.convert.test_encoder_models import RECORDED, tokenized
from tests.fixtures import encoder_models
from tests.fixtures.encoder_models.configurations import CONFIGURATIONS, SCORING
from tests.fixtures.gguf_models import EMBEDDERS, write
from tests.fixtures.gguf_models.recordings import TEXTS, VECTORS

Rows = list[NDArray[np.int64]]
EXTRA = [np.arange(4, 4 + length, dtype=np.int64) for length in (1, 2, 3, 7, 11, 16, 31, 33, 47)]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def of_session(folder: Path, rows: Rows) -> NDArray[np.float32]:
    """Return what the backend says of rows in one call, which must be what it says of each alone, to the bit."""
    session = OnnxRuntimeBackend().open(folder, OpenOptions())
    together = session.embed(rows)
    alone = np.concatenate([session.embed([row]) for row in rows])
    np.testing.assert_array_equal(together, alone)
    return together


def rows_of(folder: Path, texts: list[object]) -> Rows:
    return [np.array(row, np.int64) for row in tokenized(folder, texts)]


@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_vectors_have_the_same_bits_in_any_company(name: str, weights: str, tmp_path: Path, target: Path) -> None:
    convert_sentence_transformers(encoder_models.write(name, tmp_path), target, weights=weights)

    rows = rows_of(target, encoder_models.texts(name))
    found = of_session(target, [*rows, *EXTRA])

    assert (found[: len(rows)] * RECORDED[name]).sum(axis=1).min() >= 0.98
    assert json.loads((target / "jan_ort.json").read_text())["weights"] == weights


@pytest.mark.parametrize("name", SCORING)
def test_scores_of_8_bits_are_near_those_of_float32(name: str, tmp_path: Path, target: Path) -> None:
    convert_sentence_transformers(
        encoder_models.write(name, tmp_path, scores=True), target, task=RERANK, weights="int8"
    )

    found = of_session(target, rows_of(target, encoder_models.pairs()))[:, 0]

    recorded = RECORDED[f"{name}/scores"]
    assert np.argsort(found).tolist() == np.argsort(recorded).tolist()
    assert np.abs(found - recorded).max() <= 0.2 * np.abs(recorded).max()  # 32 random channels: real ones have hundreds


@pytest.mark.parametrize("name", EMBEDDERS)
def test_gguf_files_embed_with_8_bits(name: str, tmp_path: Path, target: Path) -> None:
    convert_gguf_encoder(write(name, tmp_path), target, weights="int8")

    found = of_session(target, rows_of(target, TEXTS))

    assert (found * np.load(VECTORS)[name]).sum(axis=1).min() >= 0.98


def test_folders_of_both_weights_lie_beside_each_other(tmp_path: Path) -> None:
    source, cache = find_source(str(encoder_models.write("bert", tmp_path)), Known()), tmp_path / "cache"
    assert isinstance(source, MadeSource)

    folders = {weights: source.make(Wanted(EMBED, embedding_weights=weights), cache) for weights in ("int8", "float32")}

    sizes = {weights: (folder / "model.onnx.data").stat().st_size for weights, folder in folders.items()}
    assert sizes["int8"] < sizes["float32"]
    named = {
        weights: find_source(folders["int8"].name.partition("-")[0], Known({}, cache, "int8", weights))
        for weights in folders
    }
    assert {weights: each.present(Wanted(EMBED), cache) for weights, each in named.items()} == folders


def test_columns_keep_within_what_16_bits_can_add() -> None:
    weights = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
    weights[:, 3] = 0

    codes, scales = quantize_columns(weights)

    assert np.abs(codes.astype(int)).max() == 63
    assert np.iinfo(np.int16).max >= 255 * 63 * 2
    assert np.abs(codes * scales - weights).max() <= scales.max() / 2 + 1e-6
