"""A folder with safetensors weights is a model that generates, converted once; what is none is named at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from jan_ort.ground.model_errors import ConversionError, FetchError, ModelReferenceError
from jan_ort.ground.progress import silent
from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import find_source, resolve_model
from jan_ort.models.sources.base import Known, Wanted
from jan_ort.models.sources.hub import HubSource
from jan_ort.models.sources.hub_files import HubId, Selection, select_files
from jan_ort.models.sources.safetensors import SafetensorsSource
from tests.fixtures.hf_models import write
from tests.models.sources.fake_hub import FakeHub, running

REPOSITORY = [
    "config.json",
    "tokenizer.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "consolidated.safetensors",
    "original/model.safetensors",
    "pytorch_model.bin",
]


def test_a_folder_is_converted_once(tmp_path: Path) -> None:
    source = write("qwen2", tmp_path)

    folder = resolve_model(str(source), task=GENERATE, cache_dir=tmp_path / "cache")

    found = find_source(str(source), Known(), task=GENERATE)
    assert found == SafetensorsSource(source)
    assert found.present(Wanted(GENERATE), tmp_path / "cache") == folder


def lose_a_shard(source: Path) -> None:
    (source / "model-00002-of-00002.safetensors").unlink()


def leave_a_pointer(source: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    (source / "model-00002-of-00002.safetensors").write_text(pointer)


def cut_a_shard(source: Path) -> None:
    path = source / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


def invent_a_key(source: Path) -> None:
    config = json.loads((source / "config.json").read_text()) | {"attention_sinks": 4}
    (source / "config.json").write_text(json.dumps(config))


def empty_the_tokenizer(source: Path) -> None:
    (source / "tokenizer.json").write_text("{}")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_a_shard, "does not exist, but"),
        (leave_a_pointer, r"is a pointer of Git LFS, not the file itself \(git lfs pull fetches that\)"),
        (cut_a_shard, "truncated or damaged"),
        (invent_a_key, "attention_sinks is '4'"),
        (empty_the_tokenizer, r"tokenizer\.json cannot be read"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_headers_say_is_checked_before_all_is_read(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    source = write("qwen2", tmp_path)
    damage(source)
    found = find_source(str(source), Known(), task=GENERATE)

    with pytest.raises(ConversionError, match=message):
        found.check(Wanted(GENERATE))
    with pytest.raises(ConversionError, match=message):
        found.make(Wanted(GENERATE), tmp_path / "cache")
    assert not (tmp_path / "cache" / "checksums.json").exists()


def test_weights_as_they_are_are_refused(tmp_path: Path) -> None:
    source = write("llama", tmp_path)

    with pytest.raises(ConversionError, match=r"weights 'as-is' are for GGUF files; use --weights int8 or"):
        resolve_model(str(source), task=GENERATE, cache_dir=tmp_path / "cache", weights="as-is")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"adapter_config.json": '{"base_model_name_or_path": "o/b"}', "adapter_model.safetensors": ""},
            "LoRA adapter",
        ),
        ({"config.json": '{"model_type": "mamba"}', "model.safetensors": ""}, "'mamba' is not supported"),
        ({"config.json": '{"model_type": "llama"}', "model.safetensors": ""}, "has no tokenizer.json"),
        ({"config.json": '{"model_type": "llama"}', "pytorch_model.bin": ""}, "has pickled weights"),
        (
            {"config.json": '{"quantization_config": {"quant_method": "awq"}}', "model.safetensors": ""},
            "quantised for other programs .* 'awq'",
        ),
        (
            {"config.json": "{}", "model-00001-of-00002.safetensors": ""},
            r"has model-00001-of-00002\.safetensors, and not model\.safetensors\.index\.json",
        ),
        ({"config.json": "{}", "llama.safetensors": ""}, r"has weights in llama\.safetensors, and not in model\."),
        (
            {"params.json": "{}", "consolidated.safetensors": ""},
            r"has weights in consolidated\.safetensors, and not in",
        ),
    ],
)
def test_what_cannot_be_served_is_named_before_anything_is_done(
    files: dict[str, str], message: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)

    with pytest.raises(ModelReferenceError, match=message):
        find_source(str(tmp_path), Known())


def test_only_the_weights_of_the_checkpoint_are_chosen() -> None:
    selection = select_files(REPOSITORY, HubId("o/m"), GENERATE, "llama")

    small = ("config.json", "tokenizer.json", "model.safetensors.index.json")
    assert selection == Selection("safetensors", (*small, *REPOSITORY[2:4]))


@pytest.mark.parametrize(
    ("names", "model_type", "message"),
    [
        (REPOSITORY, "mamba", "architecture 'mamba' is not supported; supported: llama"),
        (["config.json", "model.safetensors", "tokenizer.model"], "llama", "has no tokenizer.json"),
        (["adapter_config.json", "adapter_model.safetensors"], None, "is a LoRA adapter"),
    ],
)
def test_a_repository_that_cannot_be_converted_is_not_fetched(
    names: list[str], model_type: str | None, message: str
) -> None:
    with pytest.raises(FetchError, match=message):
        select_files(names, HubId("o/m"), GENERATE, model_type)


def test_a_repository_is_fetched_and_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write("qwen2", tmp_path)
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    quantised = {"config.json": json.dumps({"quantization_config": {"quant_method": "gptq"}}).encode()}
    with running(FakeHub({"org/tiny": files | {"x.bin": b"x"}, "org/gptq": files | quantised})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)

        folder = HubSource(HubId("org/tiny")).make(Wanted(GENERATE), tmp_path / "cache", silent)

        assert (folder / "model.onnx").exists()
        assert "x.bin" not in hub.downloads
        with pytest.raises(FetchError, match=r"quantised for other programs .*'gptq'"):
            HubSource(HubId("org/gptq")).make(Wanted(GENERATE), tmp_path / "cache", silent)
