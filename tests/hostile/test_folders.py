"""A model folder with a hostile file is opened or refused, within a second and 200 MiB, by an error that names it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.bounded_child import BoundedChild

LAYOUTS = Path(__file__).parents[1] / "fixtures" / "layouts"
DEEP = b"[" * 100_000
HUGE = 2**62


def folder_of(layout: str, target: Path) -> Path:
    """Return a copy of a small real model with its tokenizer."""
    shutil.copytree(LAYOUTS / layout, target)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(LAYOUTS / name, target / name)
    return target


KNOWN = ("", "ModelFolderError", "ModelError", "ChatTemplateError")


def names(message: str, folder: Path) -> bool:
    """Say whether an error says what it is about; the server puts the folder before what a template says."""
    return str(folder) in message or "chat template" in message


def changed(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_bytes()) if path.exists() else {}
    path.write_text(json.dumps(content | changes), encoding="utf-8")


VALUES = [
    -1,
    0,
    HUGE,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    True,
    None,
    "x" * 100_000,
    "1",
    [],
    [HUGE] * 10,
    {},
    [[]],
]
KEYS = {
    "config.json": [
        "vocab_size",
        "hidden_size",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "architectures",
    ],
    "generation_config.json": ["eos_token_id", "bos_token_id", "temperature", "top_k"],
    "tokenizer_config.json": ["model_max_length", "eos_token", "bos_token", "add_bos_token", "chat_template"],
}
LONG = ["max_position_embeddings", "text_config", "model_type"]


@pytest.mark.parametrize(
    ("file", "key"),
    [(file, key) for file, keys in KEYS.items() for key in keys] + [("config.json", key) for key in LONG],
)
def test_any_value_of_a_configuration_is_taken_or_named(
    file: str, key: str, child: BoundedChild, tmp_path: Path
) -> None:
    for index, value in enumerate(VALUES):
        folder = folder_of("llama", tmp_path / str(index))
        changed(folder / file, **{key: value})

        outcome = child.ask("read", path=str(folder))

        outcome.check_bounds()
        assert outcome.error in KNOWN, (value, outcome)
        assert not outcome.error or names(outcome.message, folder), (value, outcome)
        assert len(outcome.message) < 1500, outcome


EOS = {"-1": -1, "a list with -1": [2, -1], "beyond any": 2**40, "true": True, "a text": "2", "NaN": float("nan")}


@pytest.mark.parametrize("name", EOS)
def test_an_end_of_text_that_is_no_token_is_named(name: str, child: BoundedChild, tmp_path: Path) -> None:
    folder = folder_of("llama", tmp_path / "model")
    changed(folder / "generation_config.json", eos_token_id=EOS[name])

    outcome = child.ask("doctor", path=str(folder), cache_dir=str(tmp_path / "cache"))

    assert "eos_token_id is" in outcome.message
    assert "expected a token id" in outcome.message


JUNK: dict[str, Callable[[Path], object]] = {
    "deep": lambda path: path.write_bytes(DEEP),
    "deep object": lambda path: path.write_bytes(b'{"a":' * 50_000),
    "a list": lambda path: path.write_bytes(b"[]"),
    "a number of many digits": lambda path: path.write_bytes(b'{"vocab_size": ' + b"1" * 5000 + b"}"),
    "no UTF-8": lambda path: path.write_bytes(b'{"a": "\xff\xfe"}'),
    "nothing": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "a hole of a GiB": lambda path: os.truncate(path, 2**30),
    "many empty lists": lambda path: path.write_bytes(b"[" + b"[]," * 500_000 + b"[]]"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}
if sys.platform != "win32":
    JUNK |= {
        "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
        "a loop": lambda path: (path.unlink(), path.symlink_to(path.name)),
        "a device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        "a link to nothing": lambda path: (path.unlink(), path.symlink_to("nothing")),
    }
FILES = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "model.onnx",
    "jan_ort.json",
]
FILES += ["genai_config.json", "chat_template.jinja", "chat_template.json", "sentence_bert_config.json"]


@pytest.mark.parametrize("name", JUNK)
def test_a_file_of_anything_is_read_within_bounds(name: str, child: BoundedChild, tmp_path: Path) -> None:
    for file in FILES:
        folder = folder_of("llama", tmp_path / file)
        (folder / file).touch()
        JUNK[name](folder / file)

        outcome = child.ask("read", path=str(folder))

        outcome.check_bounds()
        assert outcome.error in KNOWN, (file, outcome)
        assert not outcome.error or names(outcome.message, folder), (file, outcome)
        assert len(outcome.message) < 1500, outcome


def test_a_graph_elsewhere_is_not_opened(child: BoundedChild, tmp_path: Path) -> None:
    outside = folder_of("llama-genai", tmp_path / "outside")
    for name in ("../outside/model.onnx", str(outside / "model.onnx"), "..\\outside\\model.onnx"):
        folder = folder_of("llama-genai", tmp_path / "model")
        config = json.loads((folder / "genai_config.json").read_bytes())
        config["model"]["decoder"]["filename"] = name
        (folder / "genai_config.json").write_text(json.dumps(config))

        outcome = child.ask("doctor", path=str(folder), cache_dir=str(tmp_path / "cache"))

        assert "leaves the folder; name a file that is in it" in outcome.message, name
        shutil.rmtree(folder)


def test_a_module_elsewhere_is_not_read(child: BoundedChild, tmp_path: Path) -> None:
    folder = folder_of("bert", tmp_path / "model")
    modules = [{"type": "models.Transformer", "path": ""}, {"type": "models.Pooling", "path": "../../etc"}]
    (folder / "modules.json").write_text(json.dumps(modules))

    outcome = child.ask("doctor", path=str(folder), cache_dir=str(tmp_path / "cache"))

    assert "path '../../etc' leaves the folder" in outcome.message


@pytest.mark.parametrize("name", ["x" * 10_000, "a\x1b]0;title\x07", "line\nbreak", 7, ["a"]])
def test_a_name_that_is_none_is_refused(name: object, child: BoundedChild, tmp_path: Path) -> None:
    folder = folder_of("llama", tmp_path / "model")
    changed(folder / "jan_ort.json", format=1, name=name)

    outcome = child.ask("doctor", path=str(folder), cache_dir=str(tmp_path / "cache"))

    assert "jan_ort.json: name is" in outcome.message
    assert outcome.message.isprintable()
    assert len(outcome.message) < 1500


@pytest.mark.parametrize(
    "name", ["x" * 5000, "/" * 5000 + "x" * 300, "x\x00y", "\x1b[2J", "~" + "x" * 300, "a/" * 3000]
)
def test_a_path_that_can_be_none_is_named(name: str, child: BoundedChild, tmp_path: Path) -> None:
    outcome = child.ask("doctor", path=name, cache_dir=str(tmp_path / "cache"))

    outcome.check_bounds()
    assert outcome.error == "SystemExit", outcome
