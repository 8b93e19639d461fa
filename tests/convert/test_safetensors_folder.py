"""A checkpoint is converted from one file or several, and what is wrong with it is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort.convert import convert_safetensors
from jan_ort.convert.weights.schemes import Weights
from jan_ort.ground.model_errors import ConversionError
from jan_ort.models.folder import ModelFolder
from tests.convert.gguf_proof import mean_kl
from tests.convert.tiny_llama import LlamaSession
from tests.fixtures.gguf_models.recordings import TOKEN_IDS, recorded_logits
from tests.fixtures.hf_models import write
from tests.fixtures.hf_models.recordings import RECORDING

INDEX = "model.safetensors.index.json"


def convert(source: Path, weights: Weights = "int8") -> Path:
    target = source.with_name(f"{source.name}.{weights}")
    target.mkdir()
    convert_safetensors(source, target, weights=weights)
    return target


def change(path: Path, **keys: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    content = json.loads(path.read_text(encoding="utf-8")) | keys
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), encoding="utf-8")


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_matrices_of_any_width_are_read(dtype: str, tmp_path: Path) -> None:
    folder = convert(write("llama", tmp_path, dtype=dtype), "fp16")

    assert mean_kl(recorded_logits("llama", RECORDING), LlamaSession(folder).step(TOKEN_IDS)[0]) < 5e-6


@pytest.mark.parametrize(("weights", "limit"), [("int4", 0.1), ("int4-fp16", 0.1)])
def test_4_bits_are_rounded_to(weights: Weights, limit: float, tmp_path: Path) -> None:
    folder = convert(write("llama", tmp_path), weights)

    kl = mean_kl(recorded_logits("llama", RECORDING), LlamaSession(folder).step(TOKEN_IDS)[0])
    assert 0.002 < kl < limit


def test_a_folder_is_made_that_can_be_served(tmp_path: Path) -> None:
    source = write("qwen2", tmp_path)
    (source / "chat_template.jinja").write_text("{{ messages }}")
    (source / "generation_config.json").write_text('{"eos_token_id": [257, 3]}')

    folder = ModelFolder.read(convert(source))

    assert (folder.name, folder.context_length, folder.chat_template) == ("qwen2", 128, "{{ messages }}")
    assert folder.eos_token_ids == (3, 257)


def test_an_added_token_without_an_embedding_is_left_out(tmp_path: Path) -> None:
    source = write("llama", tmp_path)
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    extra = tokenizer["added_tokens"][0] | {"id": 300, "content": "<image>"}
    change(source / "tokenizer.json", added_tokens=[*tokenizer["added_tokens"], extra])

    folder = convert(source)

    assert "<image>" not in (folder / "tokenizer.json").read_text(encoding="utf-8")


def cut(source: Path) -> None:
    path = source / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def cut_header(source: Path) -> None:
    path = source / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def lose(source: Path) -> None:
    (source / "model-00002-of-00002.safetensors").unlink()


def invent(source: Path) -> None:
    index = json.loads((source / INDEX).read_text())
    index["weight_map"]["model.layers.7.mlp.up_proj.weight"] = "model-00001-of-00002.safetensors"
    (source / INDEX).write_text(json.dumps(index))


def forget(source: Path) -> None:
    index = json.loads((source / INDEX).read_text())
    del index["weight_map"]["model.layers.1.mlp.up_proj.weight"]
    (source / INDEX).write_text(json.dumps(index))


def escape(source: Path) -> None:
    index = json.loads((source / INDEX).read_text())
    index["weight_map"]["lm_head.weight"] = "../model.safetensors"
    (source / INDEX).write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, r"model-00002-of-00002\.safetensors: truncated or damaged safetensors file: the tensor 'model.* ends at"),
        (cut_header, r"model-00002-of-00002\.safetensors: truncated or damaged safetensors file: its header would"),
        (lose, r"model-00002-of-00002\.safetensors does not exist, but model\.safetensors\.index\.json says"),
        (invent, r"model-00001-of-00002\.safetensors has the tensor 'model\.layers\.7\.mlp\.up_proj\.weight', and it"),
        (forget, r"tensor 'model\.layers\.1\.mlp\.up_proj\.weight' is missing"),
        (escape, r"names the file '\.\./model\.safetensors', which leaves the folder"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_damaged_checkpoint_is_named(damage: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    source = write("qwen2", tmp_path)
    damage(source)

    with pytest.raises(ConversionError, match=message):
        convert(source)


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("llama", {"hidden_size": None}, r"hidden_size|embedding_length"),
        ("llama", {"attention_sinks": 4}, r"config\.json: attention_sinks is '4': it may change the model"),
        ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, r"rope_type is 'dynamic': supported"),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0, "x": 1}}, r"rope_scaling\.x is '1'"),
        ("llama", {"num_attention_heads": "many"}, r"'num_attention_heads'|head_count is 'many'"),
        ("llama", {"hidden_act": "relu2"}, r"hidden_act is 'relu2': supported"),
        ("llama", {"residual_multiplier": 0.5}, r"residual_multiplier is '0\.5'"),
        ("llama", {"num_hidden_layers": 1}, r"tensor 'model\.layers\.1\.\S+' belongs to no part"),
        ("llama", {"num_hidden_layers": 3}, r"tensor 'model\.layers\.2\.\S+' is missing"),
        ("llama", {"quantization_config": {"quant_method": "gptq"}}, r"quantised for other programs .* 'gptq'"),
        ("llama", {"quantization": {"bits": 4}}, r"quantised for other programs \(quantization says 'unknown'"),
        ("llama", {"compression_config": {"quant_method": "x"}}, r"quantised .* \(compression_config says 'x'"),
        ("llama", {"text_config": {"model_type": "llama", "quantization_config": {}}}, r"quantised for other programs"),
        ("llama", {"model_type": "mamba"}, r"architecture 'mamba' is not supported; supported: llama, mistral"),
        ("qwen3", {"layer_types": ["linear_attention", "full_attention"]}, r"layer_types is .* supported: full_"),
        ("smollm3", {"no_rope_layers": [1, 0, 1, 0]}, r"no_rope_layers is '\[1, 0, 1, 0\]'"),
        ("gemma3", {"use_bidirectional_attention": True}, r"'is_causal' is false: .* name it with --embedding-model"),
        ("falcon", {"alibi": True}, r"alibi is 'True': supported: False"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(
    name: str, keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    source = write(name, tmp_path)
    change(source / "config.json", **keys)

    with pytest.raises(ConversionError, match=message):
        convert(source)


def test_a_tensor_of_a_quantised_type_is_refused(tmp_path: Path) -> None:
    source = write("llama", tmp_path)
    path = source / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"BF16"', b'"F8X2"', 1))

    with pytest.raises(ConversionError, match=r"has the type F8X2, which is not supported"):
        convert(source)


@pytest.mark.parametrize("suffix", [".qweight", ".scales", ".weight_scale_inv", ".absmax"])
def test_tensors_of_quantised_weights_are_called_that(suffix: str, tmp_path: Path) -> None:
    source = write("llama", tmp_path)
    path = source / "model.safetensors"
    old, new = b'"lm_head.weight"', f'"lm_head{suffix}"'.encode()
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(old, new)
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])

    with pytest.raises(ConversionError, match=rf"quantised for other programs \(there is a tensor 'lm_head\{suffix}'"):
        convert(source)


def test_an_adapter_is_named(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text('{"base_model_name_or_path": "o/base"}')

    with pytest.raises(ConversionError, match=r"is a LoRA adapter, not a model: it changes 'o/base'\. Merge"):
        convert(tmp_path / "adapter")


def test_a_head_of_its_own_is_missed(tmp_path: Path) -> None:
    source = write("llama-tied", tmp_path)
    change(source / "config.json", tie_word_embeddings=False)

    with pytest.raises(ConversionError, match=r"'lm_head\.weight' is missing"):
        convert(source)


def test_names_without_the_prefix_of_the_whole_model_are_read(tmp_path: Path) -> None:
    source = write("gpt2", tmp_path)
    path = source / "model.safetensors"
    length = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + length])
    text = json.dumps({name.removeprefix("transformer."): said for name, said in header.items()}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + path.read_bytes()[8 + length :])

    folder = convert(source, "fp16")

    logits = LlamaSession(folder).step(TOKEN_IDS)[0]
    assert np.isfinite(logits).all()
    assert mean_kl(recorded_logits("gpt2", RECORDING), logits) < 5e-6
