"""A pipe, a socket, a device or a directory in the place of a model's file is named as what it is, and never opened."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jan_ort.convert import check_gguf, convert_gguf
from jan_ort.ground.model_errors import ConversionError, ModelReferenceError
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known
from jan_ort_backends import Declines
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.backends.onnxruntime.tiny_llama import write_tiny_llama
from tests.convert.tiny_bert import write_tiny_bert

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")


def bind_socket(path: Path) -> None:
    os.chdir(path.parent)  # a socket's path has 108 bytes at most
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


MAKE: dict[str, Callable[[Path], object]] = {
    "a named pipe": os.mkfifo,
    "a socket": bind_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a directory": lambda path: path.mkdir(),
}


@pytest.fixture(scope="module")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny llama, converted."""
    root = tmp_path_factory.mktemp("llama")
    (root / "folder").mkdir()
    convert_gguf(write_tiny_llama(root / "tiny.gguf"), root / "folder")
    return root / "folder"


@pytest.fixture(params=MAKE)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.chdir(tmp_path)
    return str(request.param)


def test_a_gguf_is_a_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "model.gguf"
    path.parent.mkdir()
    MAKE[kind](path)

    for named in (path, path.parent) if kind != "a directory" else (path.parent,):
        with pytest.raises(ModelReferenceError, match=f"model.gguf is {kind}, not a file"):
            find_source(str(named), Known(), task=GENERATE)
    with pytest.raises(ConversionError, match=f"model.gguf: is {kind}, not a file"):
        check_gguf(path, "int8")


def test_the_weights_of_an_embedder_are_a_file(kind: str, tmp_path: Path) -> None:
    folder = write_tiny_bert(tmp_path / "bert")
    (folder / "model.safetensors").unlink()
    MAKE[kind](folder / "model.safetensors")

    with pytest.raises(ModelReferenceError, match=f"safetensors is {kind}, not a file"):
        find_source(str(folder), Known(), task=EMBED)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "tokenizer_config.json", "jan_ort.json"])
def test_a_small_file_is_a_file(kind: str, name: str, llama_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "model"))
    (folder / "tokenizer.json").write_text("{}")
    (folder / name).unlink(missing_ok=True)
    MAKE[kind](folder / name)

    with pytest.raises(ModelReferenceError, match=f"{name} is {kind}, not a file"):
        find_source(str(folder), Known(), task=GENERATE)


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data"])
def test_a_graph_and_its_weights_are_files(kind: str, name: str, llama_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "model"))
    (folder / name).unlink()
    MAKE[kind](folder / name)

    answer = OnnxRuntimeBackend().accepts(folder)

    assert isinstance(answer, Declines)
    assert f"is {kind}, not a file" in answer.reason
    assert str(folder / name) in answer.reason
