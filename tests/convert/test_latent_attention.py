"""Latent attention: what is cached of a token, and which sizes are refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import onnx
import pytest

from jan_ort.convert import convert_gguf
from jan_ort.convert.architectures.decoder_config import read_decoder_config
from jan_ort.convert.architectures.deepseek2 import DEEPSEEK2
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.ground.model_errors import ConversionError
from tests.fixtures.gguf_models import RECIPES, write
from tests.fixtures.gguf_models.model import Model, Sizes


def convert(source: Path) -> Path:
    target = source.parent / "target"
    target.mkdir()
    convert_gguf(source, target)
    return target


def test_a_token_has_one_vector_and_one_key_in_the_cache(tmp_path: Path) -> None:
    folder = convert(write("deepseek2", tmp_path, layers=2))

    inputs = {each.name: each.type.tensor_type.shape.dim for each in onnx.load(folder / "model.onnx").graph.input}
    for layer in range(2):
        for kind in ("key", "value"):
            heads, width = inputs[f"past_key_values.{layer}.{kind}"][1], inputs[f"past_key_values.{layer}.{kind}"][3]
            assert (heads.dim_value, width.dim_value) == (1, 32 + 16)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("attention.head_count_kv", 4, r"head_count_kv is 4, and 1 by its other sizes"),
        ("attention.key_length", 64, r"key_length is 64, and 48 by its other sizes"),
        ("attention.value_length", 48, r"value_length is 48, and 32 by its other sizes"),
        ("attention.key_length_mla", 16, r"key_length_mla' is '16', but an integer from 17"),
        ("expert_gating_func", 4, r"expert_gating_func' is '4', but an integer from 0 to 2"),
        ("expert_group_count", 8, r"expert_group_count' changes the model .*'8'"),
        ("attention.temperature_scale", 0.1, r"temperature_scale' changes the model"),
        ("nextn_predict_layers", 1, r"nextn_predict_layers' changes the model"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(
    key: str, value: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_key = Model.key
    monkeypatch.setattr(Model, "key", lambda model, name, was: set_key(model, name, value if name == key else was))
    model = Model(tmp_path / "model.gguf", "deepseek2", Sizes(layers=1))
    RECIPES["deepseek2"].add(model)
    if (key not in ("expert_gating_func",) and not key.startswith("attention.")) or key.endswith("temperature_scale"):
        set_key(model, key, value)
    model.close()

    with pytest.raises(ConversionError, match=message):
        convert(tmp_path / "model.gguf")


@pytest.mark.parametrize(
    ("kind", "growth"), [("yarn", 1 + 0.1 * math.log(4)), ("linear", 1 + 0.1 * math.log(4)), ("none", 1.0)]
)
def test_scores_grow_with_any_scaling(kind: str, growth: float, tmp_path: Path) -> None:
    model = Model(tmp_path / "model.gguf", "deepseek2", Sizes(layers=1))
    RECIPES["deepseek2"].add(model)
    model.key("rope.scaling.type", kind)
    model.key("rope.scaling.factor", 4.0)
    model.close()

    latent = read_decoder_config(GgufFile(tmp_path / "model.gguf"), DEEPSEEK2).latent

    assert latent is not None
    assert latent.scale == pytest.approx((latent.still + latent.rotating) ** -0.5 * growth**2)


def test_a_file_that_is_older_than_the_split_of_keys_and_values_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_key = Model.key
    monkeypatch.setattr(
        Model, "key", lambda model, name, value: None if name.endswith("_mla") else set_key(model, name, value)
    )

    with pytest.raises(ConversionError, match=r"key_length_mla' is missing; .* convert it again with llama\.cpp"):
        convert(write("deepseek2", tmp_path, layers=1))
