"""A GGUF file becomes a complete model folder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from jan_ort.convert import convert_gguf
from jan_ort.convert.folder_files import CONVERTER_VERSION
from jan_ort.models.folder import ModelFolder
from tests.convert.tiny_llama import TOKENS, TinyLlama


def convert(model: TinyLlama, folder: Path, **options: Any) -> Path:
    source = model.write(folder / "tiny.gguf")
    target = folder / "target"
    target.mkdir()
    convert_gguf(source, target, **options)
    return target


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_the_folder_has_every_file_of_a_model_folder(tmp_path: Path) -> None:
    folder = convert(TinyLlama(), tmp_path)

    names = {path.name for path in folder.iterdir()}

    assert names == {
        "model.onnx",
        "model.onnx.data",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "jan_ort.json",
    }
    assert (folder / "chat_template.jinja").read_text() == "{{ messages[0]['content'] }}\n"


def test_jan_ort_json_says_where_the_weights_come_from(tmp_path: Path) -> None:
    folder = convert(TinyLlama(), tmp_path, weights="int4", name="Tiny")

    description = read(folder / "jan_ort.json")

    assert description == {
        "format": 1,
        "name": "Tiny",
        "task": "generate",
        "context_length": 128,
        "weights": "int4-cat",
        "source": {
            "file": "tiny.gguf",
            "sha256": hashlib.sha256((tmp_path / "tiny.gguf").read_bytes()).hexdigest(),
        },
        "converter_version": CONVERTER_VERSION,
    }


def test_config_json_has_the_names_of_the_hugging_face_style(tmp_path: Path) -> None:
    folder = convert(TinyLlama(), tmp_path)

    config = read(folder / "config.json")

    assert config.pop("rms_norm_eps") == pytest.approx(1e-5)
    assert config == {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "vocab_size": 261,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "intermediate_size": 96,
        "rope_theta": 50_000.0,
        "max_position_embeddings": 128,
        "bos_token_id": 256,
        "eos_token_id": 257,
    }


def test_every_end_token_ends_a_generation(tmp_path: Path) -> None:
    tokens = [*TOKENS[:-1], "<|eot_id|>"]
    merges = ["t h", "h e"]
    folder = convert(TinyLlama(metadata={"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": merges}), tmp_path)

    generation = read(folder / "generation_config.json")

    assert generation == {"bos_token_id": 256, "eos_token_id": [257, 260]}


def test_the_files_own_sampling_is_recommended(tmp_path: Path) -> None:
    stated = {"temp": 0.6, "top_k": 20, "penalty_repeat": "much"}
    folder = convert(TinyLlama(metadata={f"general.sampling.{key}": value for key, value in stated.items()}), tmp_path)

    assert ModelFolder.read(folder).sampling == {"temperature": 0.6, "top_k": 20}


def test_a_template_for_tools_is_read_from_the_folder(tmp_path: Path) -> None:
    folder = convert(TinyLlama(metadata={"tokenizer.chat_template.tool_use": "tools\r\n"}), tmp_path)

    model = ModelFolder.read(folder)

    assert model.tool_use_template == "tools\r\n"
    assert model.chat_template == "{{ messages[0]['content'] }}\n"


def test_add_bos_is_in_the_tokenizer_and_its_config(tmp_path: Path) -> None:
    folder = convert(TinyLlama(metadata={"tokenizer.ggml.add_bos_token": True}), tmp_path)

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    config = read(folder / "tokenizer_config.json")

    assert tokenizer.encode("the").tokens == ["<s>", "the"]
    assert tokenizer.encode("the", add_special_tokens=False).tokens == ["the"]
    assert (config["bos_token"], config["eos_token"], config["add_bos_token"]) == ("<s>", "</s>", True)


def test_special_tokens_are_parsed_in_text(tmp_path: Path) -> None:
    folder = convert(TinyLlama(), tmp_path)

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    assert tokenizer.encode("the</s>the").tokens == ["the", "</s>", "the"]
    assert tokenizer.decode(tokenizer.encode("æ</s>").ids, skip_special_tokens=False) == "æ</s>"


def test_a_file_without_a_chat_template_converts(tmp_path: Path) -> None:
    folder = convert(TinyLlama(metadata={"tokenizer.chat_template": None}), tmp_path)

    assert not (folder / "chat_template.jinja").exists()


def test_progress_rises_from_0_to_1(tmp_path: Path) -> None:
    reports: list[float] = []

    convert(TinyLlama(), tmp_path, progress=lambda stage, fraction: reports.append(fraction))

    assert (reports[0], reports[-1]) == (0.0, 1.0)
    assert reports == sorted(reports)
    assert len(reports) > 4


def test_importing_the_package_imports_neither_onnx_nor_gguf() -> None:
    code = "import sys, jan_ort.convert; print({'onnx', 'gguf', 'onnxruntime'} & set(sys.modules))"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "set()"
