"""Keys that released models have beside those of their architecture change nothing, and no other is passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jan_ort.convert.architectures.decoder_config import DecoderConfig, read_decoder_config
from jan_ort.convert.inputs.hf_checkpoint import HfCheckpoint
from jan_ort.convert.inputs.hf_wrapper import text_config
from jan_ort.convert.safetensors_folder import check_checkpoint
from jan_ort.ground.model_errors import ConversionError
from tests.fixtures.hf_models import write

SMOLLM2 = {
    "is_llama_config": True,
    "rope_interleaved": False,
    "transformers.js_config": {"kv_cache_dtype": {"fp16": "float16"}},
}
SMOLVLM = {
    **SMOLLM2,
    "_flash_attn_2_enabled": True,
    "neftune_noise_alpha": 0.0,
    "perceiver_config": {"model_type": "vllama3"},
    "pixel_shuffle_factor": 3,
    "qk_layer_norms": False,
    "use_resampler": False,
}
PHI_4_MINI = {"full_attn_mod": 1, "interpolate_factor": 1, "lm_head_bias": False}
QWEN_3_CODER = {"qkv_bias": False, "shared_expert_intermediate_size": 0, "use_qk_norm": True}
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}

RELEASED: list[tuple[str, dict[str, Any]]] = [
    ("llama", SMOLLM2),
    ("llama", SMOLVLM),
    ("llama", {"max_sequence_length": 2048, "gradient_checkpointing": False}),
    ("qwen2", {"use_mrope": False}),
    ("phi3-longrope", PHI_4_MINI),
    ("qwen3moe", QWEN_3_CODER),
    ("gpt2", {"n_special": 0, "predict_special_tokens": True, "output_past": True, "_num_labels": 1}),
    ("falcon-40b", {"ff_factor": 4, "num_ln_in_parallel_attn": 2}),
    ("qwen2-yarn", {"rope_scaling": {**YARN, "finetuned": True}}),
]


def read(source: Path, **keys: Any) -> DecoderConfig:
    """Return what a checkpoint says with other keys."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    (source / "config.json").write_text(json.dumps(config | keys), encoding="utf-8")
    layout, stated = check_checkpoint(source)
    model = HfCheckpoint(source, stated.values, layout)
    return read_decoder_config(model, model.decoder)


@pytest.mark.parametrize(("name", "keys"), RELEASED)
def test_a_released_model_s_other_keys_change_nothing(name: str, keys: dict[str, Any], tmp_path: Path) -> None:
    source = write(name, tmp_path)
    expected = read(source)

    found = read(source, **keys)

    assert found == expected


CHUNKS = {"chunk_size": 96, "local_size": 32, "original_max_position_embeddings": 96}


@pytest.mark.parametrize("name", ["qwen2", "qwen3", "qwen3moe"])
def test_a_model_that_attends_in_chunks_is_taken_up_to_the_end_of_one(name: str, tmp_path: Path) -> None:
    source = write(name, tmp_path)

    found = read(source, dual_chunk_attention_config=CHUNKS)

    assert found.max_position_embeddings == 64


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("qwen2", {"dual_chunk_attention_config": CHUNKS | {"local_size": 96}}, r"attention_config is .\{'chunk"),
        ("qwen2", {"dual_chunk_attention_config": {}}, r"dual_chunk_attention_config is '\{\}'"),
        ("llama", {"qk_layer_norms": True}, r"qk_layer_norms is 'True': supported: False"),
        ("qwen2", {"use_mrope": True}, r"use_mrope is 'True': supported: False"),
        ("phi3", {"full_attn_mod": 2}, r"full_attn_mod is '2': supported: 1"),
        ("qwen3moe", {"use_qk_norm": False}, r"use_qk_norm is 'False': supported: True"),
        ("qwen3moe", {"shared_expert_intermediate_size": 64}, r"'shared_expert_intermediate_size' changes the model"),
    ],
)
def test_the_same_keys_are_refused_with_another_value(
    name: str, keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    source = write(name, tmp_path)

    with pytest.raises(ConversionError, match=message):
        read(source, **keys)


@pytest.mark.parametrize(("kind", "width"), [("llama", 11_008), ("mistral", 14_336), ("qwen2", 22_016)])
def test_a_text_model_inside_another_has_the_sizes_that_transformers_takes(kind: str, width: int) -> None:
    stated = {"model_type": kind, "vocab_size": 32_064, "num_hidden_layers": 24}

    values = text_config({"model_type": "llava", "text_config": stated}).values

    assert (values["hidden_size"], values["intermediate_size"], values["num_hidden_layers"]) == (4096, width, 24)


def test_the_outer_length_of_training_goes_before_that_of_the_scaling(tmp_path: Path) -> None:
    source = write("qwen2-yarn", tmp_path)
    inner = read(source, rope_scaling={**YARN, "original_max_position_embeddings": 16})

    outer = read(source, rope_scaling=YARN, original_max_position_embeddings=16)

    assert outer == inner != read(source, rope_scaling=YARN, original_max_position_embeddings=None)


def test_a_scaling_beside_rope_parameters_replaces_them(tmp_path: Path) -> None:
    source = write("qwen2-yarn", tmp_path)
    alone = read(source, rope_theta=5e5, rope_scaling=YARN)

    assert read(source, rope_parameters={"rope_type": "default", "rope_theta": 5e5}) == alone


@pytest.mark.parametrize("parameters", [{"rope_theta": 1e6}, {"rope_theta": 5e5, "beta_fast": 16.0}])
def test_rope_parameters_that_a_scaling_would_hide_are_refused(tmp_path: Path, parameters: dict[str, float]) -> None:
    source = write("qwen2-yarn", tmp_path)

    with pytest.raises(ConversionError, match=r"rope_parameters\..* rope_scaling replaces it; write all into one"):
        read(source, rope_theta=5e5, rope_scaling=YARN, rope_parameters=parameters)
