"""Cross-encoders as they are served: exported graphs and converted folders, by the default backend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.ground.task import RERANK
from jan_ort.models.folder import ModelFolder
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known
from tests.fixtures import encoder_models
from tests.fixtures.hf_models import reranker
from tests.http.handlers.serving import post, serving
from tests.serving.scoring_graph import write_scoring_graph

RECORDED = np.load(encoder_models.VECTORS)


async def served_scores(folder: Path, cache: Path) -> list[float]:
    """Return the scores that a server of the folder gives the pairs."""
    async with serving(backend="onnxruntime", model=str(folder), cache_dir=str(cache)) as app:
        first, second = zip(*encoder_models.pairs(), strict=True)
        body = {"text_1": [*first], "text_2": [*second]}
        status, answer = await post(app.test_client(), "/v1/score", body)
    assert status == 200, answer
    return [each["score"] for each in answer["data"]]


def sigmoid(scores: Any) -> Any:
    return 1 / (1 + np.exp(-scores))


@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
async def test_a_cross_encoder_is_served_as_sentence_transformers_scores(name: str, tmp_path: Path) -> None:
    folder = encoder_models.write(name, tmp_path, scores=True)

    scores = await served_scores(folder, tmp_path / "cache")

    assert scores == pytest.approx(sigmoid(RECORDED[f"{name}/scores"]).tolist(), abs=1e-5)


async def test_a_decoder_that_answers_is_served_as_the_share_of_yes(tmp_path: Path) -> None:
    folder = reranker.write_reranker(tmp_path)

    async with serving(backend="onnxruntime", model=str(folder), cache_dir=str(tmp_path / "cache")) as app:
        first, second = zip(*reranker.PAIRS, strict=True)
        status, answer = await post(app.test_client(), "/v1/score", {"text_1": [*first], "text_2": [*second]})

    assert status == 200, answer
    found = [each["score"] for each in answer["data"]]
    assert found == pytest.approx(sigmoid(RECORDED["qwen3/odds"]).tolist(), abs=1e-5)


async def test_raw_scores_are_given_where_the_folder_asks_for_them(tmp_path: Path) -> None:
    folder = encoder_models.write("bert", tmp_path, scores=True)
    asked = {"activation_fn": "torch.nn.modules.linear.Identity"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(asked))

    scores = await served_scores(folder, tmp_path / "cache")

    assert scores == pytest.approx(RECORDED["bert/scores"].tolist(), abs=1e-5)


async def test_an_exported_graph_gets_the_types_of_its_tokens(tmp_path: Path) -> None:
    folder = encoder_models.write("bert", tmp_path, scores=True)
    (folder / "model.safetensors").unlink()
    write_scoring_graph(folder / "model.onnx")
    (folder / "config_sentence_transformers.json").write_text('{"activation_fn": "torch.nn.Identity"}')

    scores = await served_scores(folder, tmp_path / "cache")

    assert scores == [len(second.split()) + 1 for _, second in encoder_models.pairs()]


def test_a_folder_with_a_head_that_scores_is_for_that(tmp_path: Path) -> None:
    folder = encoder_models.write("mpnet", tmp_path, scores=True)

    assert find_source(str(folder), Known()).stated_task() == RERANK
    assert ModelFolder.read(folder).task == RERANK


def test_an_activation_that_is_not_known_is_named(tmp_path: Path) -> None:
    folder = encoder_models.write("bert", tmp_path, scores=True)
    (folder / "config_sentence_transformers.json").write_text('{"activation_fn": "torch.nn.Softplus"}')

    with pytest.raises(ModelFolderError, match="'softplus'; known are sigmoid and identity"):
        ModelFolder.read(folder)
