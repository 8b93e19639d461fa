"""Qwen3-Reranker's kind as sentence-transformers saves it: opened with what its files say, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort.convert import convert_sentence_transformers
from jan_ort.ground.model_errors import ConversionError
from jan_ort.ground.task import RERANK
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, Wanted
from tests.convert.test_rerankers import TORCH, empty, scored
from tests.fixtures.hf_models import reranker

CHAT_TEMPLATE = (
    "{%- set asked = messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first -%}\n"
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be {{ \'"yes" or \\"no\\".\' }}<|im_end|>\n<|im_start|>user\n'
    "{{- '<Instruct>: ' + asked + '\\n<Query>: ' + messages[0].content + '\\n<Document>: ' }}{{ messages[1].content }}"
    "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)


def _save_modules(folder: Path, template: str, settings: dict[str, Any]) -> Path:
    """Add the files of sentence-transformers; then a folder needs no name that tells it."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    names = {"": "base.modules.transformer.Transformer", "1_LogitScore": "cross_encoder.modules.logit_score.LogitScore"}
    modules = [{"path": path, "type": f"sentence_transformers.{name}"} for path, name in names.items()]
    files = {
        "modules.json": modules,
        "config_sentence_transformers.json": {"model_type": "CrossEncoder", **settings},
        "1_LogitScore/config.json": {"true_token_id": vocabulary["yes"], "false_token_id": vocabulary["no"]},
    }
    (folder / "1_LogitScore").mkdir()
    for path, content in files.items():
        (folder / path).write_text(json.dumps(content), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder.rename(folder.with_name("mine"))


def test_a_decoder_that_sentence_transformers_saved_gives_the_same_scores(tmp_path: Path) -> None:
    folder = _save_modules(reranker.write_reranker(tmp_path), CHAT_TEMPLATE, {})
    source = find_source(str(folder), Known())
    assert source.stated_task() == RERANK

    found = scored(source.make(Wanted(RERANK), tmp_path / "cache"), reranker.PAIRS)

    np.testing.assert_allclose(found, TORCH["qwen3/odds"], atol=1e-5)


def test_the_tokens_and_the_instruction_of_a_saved_folder_are_followed(tmp_path: Path) -> None:
    settings = {"prompts": {"law": "Find cases"}, "default_prompt_name": "law"}
    folder = _save_modules(reranker.write_reranker(tmp_path), CHAT_TEMPLATE, settings)
    score = folder / "1_LogitScore" / "config.json"
    stated = json.loads(score.read_text(encoding="utf-8"))
    swapped = {"true_token_id": stated["false_token_id"], "false_token_id": stated["true_token_id"]}
    targets = [empty(tmp_path / name) for name in ("as saved", "swapped")]

    convert_sentence_transformers(folder, targets[0], task=RERANK)
    score.write_text(json.dumps(swapped), encoding="utf-8")
    convert_sentence_transformers(folder, targets[1], task=RERANK)

    question = json.loads((targets[0] / "jan_ort.json").read_text(encoding="utf-8"))["pair_template"]
    assert "<Instruct>: Find cases\n<Query>: {query}\n" in question
    first, second = (scored(target, reranker.PAIRS) for target in targets)
    np.testing.assert_allclose(second, -first, atol=1e-5)


@pytest.mark.parametrize(
    ("template", "settings", "tokens", "message"),
    [
        ("{{ messages }}", {}, {}, "does not ask as Qwen3-Reranker does, .* GGUF file .* without modules.json"),
        (CHAT_TEMPLATE, {"default_prompt_name": "law"}, {}, r"default_prompt_name is 'law': expected the name"),
        (
            CHAT_TEMPLATE,
            {},
            {"false_token_id": None},
            r"1_LogitScore.config\.json: false_token_id is 'None': .* GGUF file",
        ),
    ],
)
def test_a_saved_folder_that_asks_otherwise_is_refused_with_the_ways_out(
    template: str, settings: dict[str, Any], tokens: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = _save_modules(reranker.write_reranker(tmp_path), template, settings)
    path = folder / "1_LogitScore" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | tokens), encoding="utf-8")

    with pytest.raises(ConversionError, match=message):
        convert_sentence_transformers(folder, empty(tmp_path / "target"), task=RERANK)
