"""The text model inside a model that reads images converts like one alone, and what is left out is named."""

from __future__ import annotations

import gc
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.convert import convert_safetensors
from jan_ort.convert.inputs.hf_wrapper import text_config
from jan_ort.convert.inputs.safetensors_shards import read_shards
from jan_ort.ground.model_errors import ConversionError
from tests.fixtures.hf_models import write, write_safetensors

SECTIONS = {"mrope_section": [2, 3, 3], "mrope_interleaved": True}
AROUND = {"vision_config": {"hidden_size": 4}, "image_token_id": 7, "eos_token_id": 5}
OLD = {"model.": "language_model.model.", "lm_head.": "language_model.lm_head."}

WRAPPERS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, str], str]] = [
    # checkpoint, what the wrapper says, what its text_config says more, prefixes, a tensor that is not text's
    ("gemma3", {"model_type": "gemma3", "mm_tokens_per_image": 256}, {}, OLD, "vision_tower.a"),
    ("gemma3", {"model_type": "gemma3"}, {}, {"model.": "model.language_model."}, "model.multi_modal_projector.a"),
    ("gemma4", {"model_type": "gemma4"}, {}, {"model.": "model.language_model."}, "model.audio_tower.a"),
    ("mistral", {"model_type": "mistral3", "spatial_merge_size": 2}, {}, OLD, "multi_modal_projector.a"),
    ("ministral3", {"model_type": "mistral3"}, {}, {"model.": "model.language_model."}, "model.vision_tower.a"),
    ("llama", {"model_type": "smolvlm"}, {}, {"model.": "model.text_model."}, "model.connector.a"),
    (
        "qwen3",
        {"model_type": "qwen3_vl"},
        {"model_type": "qwen3_vl_text", "rope_scaling": {"rope_type": "default", **SECTIONS}},
        {"model.": "model.language_model."},
        "model.visual.a",
    ),
    ("qwen3.5", {"model_type": "qwen3_5"}, {}, {"model.": "model.language_model."}, "model.visual.a"),
    ("qwen3.5", {"model_type": "qwen3_5"}, {}, {"model.": "model.language_model."}, "mtp.layers.0.input_layernorm"),
    ("qwen3.5-moe", {"model_type": "qwen3_5_moe"}, {}, {"model.": "model.language_model."}, "model.visual.a"),
]


def weights_of(folder: Path, source: Path) -> bytes:
    target = folder / "target"
    target.mkdir(parents=True)
    convert_safetensors(source, target, weights="int4-fp16")
    return (target / "model.onnx.data").read_bytes()


def renamed_tensors(source: Path, prefixes: dict[str, str]) -> dict[str, NDArray[np.float32]]:
    """Return copies: while a file is mapped, Windows does not remove it."""
    tensors = {}
    for name, tensor in read_shards(source).items():
        assert tensor.values is not None
        old = next((each for each in prefixes if name.startswith(each)), "")
        tensors[prefixes.get(old, "") + name.removeprefix(old)] = np.array(tensor.values, np.float32)
    return tensors


def retensor(source: Path, prefixes: dict[str, str], other: str) -> None:
    """Rename the tensors of a checkpoint, and add one that is not text's."""
    tensors = renamed_tensors(source, prefixes)
    tensors[f"{other}.weight"] = np.ones((4, 4), np.float32)
    gc.collect()  # a conversion is a circle, and holds its files
    for path in source.glob("model*"):
        path.unlink()
    write_safetensors(source / "model.safetensors", tensors, "BF16")


@pytest.mark.parametrize(("name", "around", "inside", "prefixes", "other"), WRAPPERS)
def test_the_text_model_is_converted_and_the_rest_named(
    name: str,
    around: dict[str, Any],
    inside: dict[str, Any],
    prefixes: dict[str, str],
    other: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = write(name, tmp_path)
    expected = weights_of(tmp_path / "alone", source)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**AROUND, **around, "text_config": config | inside}))
    retensor(source, prefixes, other)

    with caplog.at_level(logging.WARNING):
        found = weights_of(tmp_path / "wrapped", source)

    assert found == expected
    assert "only the text model is served; left out: vision_config" in caplog.text
    assert json.loads((tmp_path / "wrapped/target/config.json").read_text())["eos_token_id"] is not None


def test_an_older_qwen_vl_has_its_text_model_outside(tmp_path: Path) -> None:
    source = write("qwen2", tmp_path)
    expected = weights_of(tmp_path / "alone", source)
    config = json.loads((source / "config.json").read_text())
    rotary = {"rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}}
    (source / "config.json").write_text(json.dumps({**config, **AROUND, **rotary, "model_type": "qwen2_5_vl"}))
    retensor(source, {}, "visual.blocks.0")

    assert weights_of(tmp_path / "wrapped", source) == expected


def test_a_text_model_that_is_not_supported_is_refused_by_its_own_name(tmp_path: Path) -> None:
    source = write("llama", tmp_path)
    (source / "config.json").write_text(
        json.dumps({"model_type": "mllama", "text_config": {"model_type": "mllama_text"}})
    )

    with pytest.raises(ConversionError, match="architecture 'mllama_text' is not supported"):
        weights_of(tmp_path / "refused", source)


def test_a_text_model_s_own_configuration_stays_as_it_is() -> None:
    config = {"model_type": "llama", "rope_scaling": {"rope_type": "default", "mrope_section": [1]}}

    assert text_config(config).values is config
