"""Experts of Hugging Face checkpoints: which tensors they are, and what is refused of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort.convert import convert_safetensors
from jan_ort.convert.inputs.safetensors_shards import read_shards
from jan_ort.ground.model_errors import ConversionError
from tests.fixtures.hf_models import write, write_safetensors


def convert(source: Path) -> None:
    target = source.with_name("target")
    target.mkdir()
    convert_safetensors(source, target)


def change_config(source: Path, **keys: Any) -> None:
    path = source / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | keys), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("mixtral", {"num_experts_per_tok": 9}, r"'num_experts_per_tok' is '9', but an integer from 1 to 8 is needed"),
        ("mixtral", {"num_local_experts": 7}, r"has the shape \(8, .* but the metadata say \(7,|\(8, 64\)"),
        ("mixtral", {"hidden_act": "gelu"}, r"hidden_act is 'gelu': only silu is supported with experts"),
        ("qwen3moe", {"mlp_only_layers": [0]}, r"mlp_only_layers is '\[0\]': supported: \[\]"),
        ("qwen2moe", {"decoder_sparse_step": 2}, r"decoder_sparse_step is '2': supported: 1"),
        ("qwen3moe", {"norm_topk_prob": "yes"}, r"'norm_topk_prob' is 'yes', but a boolean is needed"),
        ("qwen3moe", {"routed_scaling_factor": 2.5}, r"routed_scaling_factor is '2\.5': it may change the model"),
        ("gpt-oss", {"swiglu_limit": 6.0}, r"swiglu_limit is '6\.0': supported: 7\.0"),
        ("deepseek-v3", {"n_group": 2}, r"'n_group' changes the model .*'2'"),
        ("deepseek-v3", {"scoring_func": "softmax"}, r"scoring_func is 'softmax': supported: sigmoid"),
        ("deepseek-v3", {"rope_interleave": False}, r"rope_interleave is 'False': supported: True"),
        ("deepseek-v3", {"v_head_dim": 16}, r"self_attn\.kv_b_proj\.weight' is BF16 \(160, 32\)"),
        ("deepseek-v2", {"topk_method": "group_limited_greedy"}, r"topk_method is 'group_limited_greedy': supported: "),
        ("deepseek-v2", {"norm_topk_prob": True}, r"norm_topk_prob is 'True': supported: False"),
        ("gpt-oss-mxfp4", {"quantization_config": {"quant_method": "gptq"}}, r"quantised for other .* 'gptq'"),
        ("qwen3moe", {"quantization_config": {"quant_method": "mxfp4"}}, r"quantised for other .* 'mxfp4'"),
    ],
)
def test_what_would_change_the_answers_is_refused_by_name(
    name: str, keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    source = write(name, tmp_path)
    change_config(source, **keys)

    with pytest.raises(ConversionError, match=message):
        convert(source)


def lose_an_expert(header: dict[str, Any]) -> None:
    del header["model.layers.1.mlp.experts.3.up_proj.weight"]


def lose_the_last_expert(header: dict[str, Any]) -> None:
    for kind in ("gate", "up", "down"):
        del header[f"model.layers.1.mlp.experts.7.{kind}_proj.weight"]


def reshape_an_expert(header: dict[str, Any]) -> None:
    header["model.layers.1.mlp.experts.3.up_proj.weight"]["shape"].reverse()


def lose_scales(header: dict[str, Any]) -> None:
    del header["model.layers.0.mlp.experts.down_proj_scales"]


def reshape_scales(header: dict[str, Any]) -> None:
    header["model.layers.0.mlp.experts.down_proj_scales"]["shape"] = [8, 32, 4]


def flatten_blocks(header: dict[str, Any]) -> None:
    for kind in ("blocks", "scales"):
        said = header[f"model.layers.0.mlp.experts.down_proj_{kind}"]
        said["shape"] = [said["data_offsets"][1] - said["data_offsets"][0]]


def flatten_experts(header: dict[str, Any]) -> None:
    said = header["model.layers.0.mlp.experts.gate_up_proj"]
    said["shape"] = [8 * 64, 128]


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("qwen3moe", lose_an_expert, r"'model\.layers\.1\.mlp\.experts\.up_proj\.weight' lacks one of several"),
        ("qwen3moe", lose_the_last_expert, r"experts\.gate_proj\.weight' has the shape \(7, 32, 64\), but the meta"),
        ("qwen3moe", reshape_an_expert, r"experts\.up_proj\.weight' has parts of several shapes"),
        ("gpt-oss-mxfp4", lose_scales, r"blocks of 'model\.layers\.0\.mlp\.experts' have no scales that fit"),
        ("gpt-oss-mxfp4", reshape_scales, r"blocks of 'model\.layers\.0\.mlp\.experts' have no scales that fit"),
        ("gpt-oss-mxfp4", flatten_blocks, r"blocks of 'model\.layers\.0\.mlp\.experts' have no scales that fit"),
        ("gpt-oss", flatten_experts, r"the experts 'model\.layers\.0\.mlp\.experts' are BF16 \(512, 128\)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_experts_that_are_no_whole_are_named(
    name: str, damage: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    source = write(name, tmp_path)
    path = source / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    damage(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])

    with pytest.raises(ConversionError, match=message):
        convert(source)


def joined(folder: Path, source: Path) -> Path:
    """Return a copy of a checkpoint with all experts of a layer in one tensor, gates before ways up."""
    target = folder / "joined"
    shutil.copytree(source, target)
    tensors = {name: np.array(tensor.values, np.float32) for name, tensor in read_shards(source).items()}
    for layer in range(2):
        prefix = f"model.layers.{layer}.mlp.experts"
        gate, up, down = (
            np.stack([tensors.pop(f"{prefix}.{expert}.{kind}_proj.weight") for expert in range(8)])
            for kind in ("gate", "up", "down")
        )
        tensors |= {f"{prefix}.gate_up_proj": np.concatenate([gate, up], axis=1), f"{prefix}.down_proj": down}
    write_safetensors(target / "model.safetensors", tensors, "BF16")
    return target


def test_experts_in_one_tensor_are_those_in_many(tmp_path: Path) -> None:
    source = write("qwen3.5-moe", tmp_path)
    other = joined(tmp_path, source)

    targets = [tmp_path / "one by one", tmp_path / "in one"]
    for each, target in zip((source, other), targets, strict=True):
        target.mkdir()
        convert_safetensors(each, target, weights="int4-fp16")

    one, many = ((target / "model.onnx.data").read_bytes() for target in targets)
    assert one == many
