"""A GGUF file that is kept as it is, for a backend that reads such files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from jan_ort.convert.gguf_as_is import keep_gguf
from jan_ort.ground.file_blocks import BLOCK_BYTES
from jan_ort.ground.model_errors import ConversionError
from jan_ort.ground.progress import silent
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.folder import ModelFolder
from jan_ort.models.sources import resolve_model
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.plugins.choice import NoBackendError, choose_backend
from jan_ort.serving.choice import check_conversion, check_settings, choose_models
from jan_ort.serving.loading import LoadingStopped
from jan_ort.settings.schema import Settings
from jan_ort_backends import discover
from tests.cli.commands.running import add_plugin, last_error, run
from tests.convert.tiny_llama import TinyLlama
from tests.fixtures.gguf_models import write

READS_GGUF = """
from jan_ort_backends import Accepts, Available, Declines

class backend:
    name = "reads_gguf"
    abi = "1.0"
    capabilities = frozenset({"generate"})
    builtin_models = {}
    probe = staticmethod(Available)
    open = staticmethod(lambda model_dir, options: None)

    @staticmethod
    def accepts(model_dir):
        kept = model_dir.suffix == ".gguf" or any(model_dir.glob("*.gguf"))
        return Accepts() if kept else Declines("there is no .gguf file")
"""


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    return TinyLlama(metadata={"tokenizer.chat_template": "{{ messages }}"}).write(tmp_path / "tiny.gguf")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    root = tmp_path / "site"
    root.mkdir()
    add_plugin(root, "reads_gguf", READS_GGUF)
    monkeypatch.syspath_prepend(root)
    return "reads_gguf"


def refuse(source: Path, target: Path) -> None:
    raise PermissionError


def keep(gguf: Path, cache_dir: Path) -> Path:
    return resolve_model(str(gguf), task=GENERATE, cache_dir=cache_dir, weights="as-is")


def test_the_file_is_the_same_and_takes_no_space_again(gguf: Path, tmp_path: Path) -> None:
    folder = keep(gguf, tmp_path / "cache")

    assert (folder / "model.gguf").samefile(gguf)
    assert [*folder.glob("*.onnx*")] == []
    assert json.loads((folder / "jan_ort.json").read_text())["weights"] == "as-is"


def test_a_file_that_may_not_be_written_is_copied_on_windows_so_that_its_folder_can_be_removed(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jan_ort.convert.gguf_as_is.sys.platform", "win32")
    monkeypatch.setattr("jan_ort.convert.gguf_as_is.os.access", lambda path, mode: False)

    keep_gguf(gguf, new_folder(tmp_path), name="tiny", progress=silent)

    assert (tmp_path / "kept/model.gguf").read_bytes() == gguf.read_bytes()
    assert not (tmp_path / "kept/model.gguf").samefile(gguf)


def new_folder(parent: Path) -> Path:
    (parent / "kept").mkdir()
    return parent / "kept"


def test_tokenizer_template_and_tokens_are_those_of_the_converted_model(gguf: Path, tmp_path: Path) -> None:
    kept = ModelFolder.read(keep(gguf, tmp_path))
    converted = ModelFolder.read(resolve_model(str(gguf), task=GENERATE, cache_dir=tmp_path, weights="int8"))

    same = ("name", "task", "context_length", "eos_token_ids", "bos_token_id", "add_bos", "chat_template")
    assert [getattr(kept, each) for each in same] == [getattr(converted, each) for each in same]
    ours, theirs = (TextTokenizer(each.path / "tokenizer.json") for each in (kept, converted))
    assert ours.encode("the other").tolist() == theirs.encode("the other").tolist()


def test_an_architecture_that_cannot_be_converted_can_be_kept(tmp_path: Path) -> None:
    metadata = {"general.architecture": "other", "other.context_length": 77}
    gguf = TinyLlama(metadata=metadata).write(tmp_path / "other.gguf")

    folder = ModelFolder.read(keep(gguf, tmp_path / "cache"))

    assert folder.context_length == 77
    with pytest.raises(ConversionError, match="architecture 'other' is not supported"):
        resolve_model(str(gguf), task=GENERATE, cache_dir=tmp_path, weights="int8")


def test_where_no_link_can_be_made_the_file_is_copied(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refuse)
    folder = keep(gguf, tmp_path / "cache")

    assert (folder / "model.gguf").read_bytes() == gguf.read_bytes()
    assert not (folder / "model.gguf").samefile(gguf)


@pytest.mark.parametrize(("stage", "linked"), [("Reading tiny.gguf", True), ("Copying tiny.gguf", False)])
def test_reading_and_copying_many_gigabytes_can_be_stopped(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, linked: bool
) -> None:
    with gguf.open("ab") as stream:
        stream.truncate(3 * BLOCK_BYTES)
    if not linked:
        monkeypatch.setattr(os, "link", refuse)

    def stop(shown: str, fraction: float, /) -> None:
        if shown == stage and 0 < fraction < 1:
            raise LoadingStopped

    with pytest.raises(LoadingStopped):
        resolve_model(str(gguf), task=GENERATE, cache_dir=tmp_path, weights="as-is", progress=stop)

    assert [*tmp_path.glob("models/*/*")] == []


def test_a_kept_file_is_read_once_and_its_checksum_is_told(gguf: Path, tmp_path: Path) -> None:
    stages: list[str] = []

    folder = resolve_model(
        str(gguf),
        task=GENERATE,
        cache_dir=tmp_path / "cache",
        weights="as-is",
        progress=lambda stage, fraction: stages.append(f"{stage}: {fraction:g}"),
    )

    assert stages == ["Reading tiny.gguf: 0", "Reading tiny.gguf: 1"]
    digest = hashlib.sha256(gguf.read_bytes()).hexdigest()
    assert json.loads((folder / "jan_ort.json").read_text())["source"] == {"file": "tiny.gguf", "sha256": digest}


def test_the_parts_of_a_split_file_are_kept_under_their_names(tmp_path: Path) -> None:
    TinyLlama(split_tensors=8).write(tmp_path / "tiny.gguf")
    parts = sorted(tmp_path.glob("*.gguf"))

    folder = keep(parts[0], tmp_path / "cache")

    assert len(parts) == 3
    assert all((folder / part.name).samefile(part) for part in parts)
    assert ModelFolder.read(folder).name == "tiny"


@pytest.mark.parametrize("output", [True, False])
def test_the_command_keeps_the_file(gguf: Path, tmp_path: Path, output: bool) -> None:
    folder = ("--output", str(tmp_path / "kept")) if output else ("--cache-dir", str(tmp_path / "cache"))

    result = run("models", "convert", str(gguf), "--weights", "as-is", *folder)

    assert result.exit_code == 0, result.output
    assert (Path(result.stdout.strip()) / "model.gguf").samefile(gguf)


def test_the_default_backend_declines_with_the_remedy(gguf: Path, tmp_path: Path) -> None:
    folder = keep(gguf, tmp_path / "cache")

    with pytest.raises(NoBackendError, match=r"onnxruntime: .*jan-ort models convert FILE\.gguf"):
        choose_backend("onnxruntime", folder, discover())


def test_a_backend_that_reads_such_files_is_chosen_without_being_named(gguf: Path, tmp_path: Path, plugin: str) -> None:
    folder = keep(gguf, tmp_path / "cache")

    assert choose_backend(None, folder, discover()).name == plugin


def test_a_file_is_not_converted_unasked_for_a_backend_that_reads_it(gguf: Path, tmp_path: Path, plugin: str) -> None:
    result = run("serve", "--backend", plugin, "--model", str(gguf), "--cache-dir", str(tmp_path / "cache"))

    assert last_error(result).endswith("without conversion: add --weights as-is")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("given", [{"weights": "as-is"}, {"weights": "int4"}, {"backend": "onnxruntime"}])
def test_what_is_said_of_the_weights_holds(gguf: Path, plugin: str, given: dict[str, str]) -> None:
    settings = Settings.read(**{"backend": plugin, "model": str(gguf)} | given)

    assert plugin in {each.name for each in check_settings(settings).discovered}


def test_a_file_that_embeds_is_converted_for_any_backend(tmp_path: Path, plugin: str) -> None:
    settings = Settings(backend=plugin, embedding_model=(str(write("bert-cls", tmp_path)),))
    discovered = discover()
    (choice,) = choose_models(settings, discovered)

    check_conversion(choice, settings, discovered)

    assert choice.task == EMBED


@pytest.mark.parametrize("key", ["tokenizer.ggml.model", "tokenizer.ggml.pre"])
def test_a_tokenizer_that_is_not_translated_is_left_to_the_backend(tmp_path: Path, key: str) -> None:
    path = TinyLlama(metadata={key: "of-tomorrow"}).write(tmp_path / "tiny.gguf")

    folder = ModelFolder.read(keep(path, tmp_path / "cache"))

    assert folder.backend_tokenizes
    assert not (folder.path / "tokenizer.json").exists()
    assert folder.eos_token_ids == ModelFolder.read(keep(gguf_beside(path), tmp_path / "cache")).eos_token_ids


def gguf_beside(path: Path) -> Path:
    return TinyLlama().write(path.with_name("known.gguf"))
