import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from jan_ort.ground.errors import CacheError, FetchError
from jan_ort.ground.progress import silent
from jan_ort.models.catalog import Task
from jan_ort.models.sources.fetch_hub import fetch_hub
from jan_ort.models.sources.hub_files import HubId, Selection, select_files
from tests.models.sources.fake_hub import FakeHub, running, sha256

FILES = {"tiny.Q8_0.gguf": b"GGUF" + b"x" * 50_000, "tiny.Q2_K.gguf": b"GGUF", "README.md": b"read me"}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(FakeHub({"org/tiny": FILES})) as hub:
        yield hub


@pytest.fixture
def endpoint(hub: FakeHub) -> str:
    return hub.url


def test_the_best_gguf_of_a_repository_is_fetched_alone(endpoint: str, tmp_path: Path) -> None:
    reports: list[tuple[str, float]] = []

    selection = fetch_hub(
        HubId("org/tiny"), "generate", tmp_path, lambda *report: reports.append(report), endpoint=endpoint
    )

    assert selection == Selection("gguf", ("tiny.Q8_0.gguf",))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"tiny.Q8_0.gguf": FILES["tiny.Q8_0.gguf"]}
    assert (reports[0], reports[-1]) == (("Downloading org/tiny", 0.0), ("Downloading org/tiny", 1.0))


def test_a_file_with_another_checksum_than_announced_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    right = sha256(FILES["tiny.Q8_0.gguf"])
    hub.announced["tiny.Q8_0.gguf"] = "1" * 64

    with pytest.raises(FetchError, match=f"has the sha256 {right}, expected {'1' * 64}"):
        fetch_hub(HubId("org/tiny"), "generate", tmp_path, silent, endpoint=hub.url)


def test_too_little_disk_space_is_known_before_the_download(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=50_000))

    with pytest.raises(CacheError, match=r"takes 0 MB to download and 0 MB are free on .* set JAN_ORT_CACHE_DIR"):
        fetch_hub(HubId("org/tiny"), "generate", tmp_path, silent, endpoint=hub.url)

    assert hub.downloads == []


@pytest.mark.parametrize(
    ("repository", "remedy"), [("org/absent", "check the name"), ("org/gated", "accept its terms on its page")]
)
def test_a_repository_that_is_not_to_be_had_says_what_to_do(
    endpoint: str, tmp_path: Path, repository: str, remedy: str
) -> None:
    with pytest.raises(FetchError, match=remedy) as caught:
        fetch_hub(HubId(repository), "generate", tmp_path, silent, endpoint=endpoint)

    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"Connect to the network, or pass --model FOLDER\|FILE.gguf") as caught:
        fetch_hub(HubId("org/tiny"), "generate", tmp_path, silent, endpoint="http://127.0.0.1:9")

    assert "\n" not in str(caught.value)


GGUFS = ["m.Q2_K.gguf", "m.Q4_0.gguf", "sub/m-f16.gguf", "m.Q8_0.gguf", "config.json"]
ONNX = ["config.json", "onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_q4.onnx", "tokenizer.json", "x.bin"]
EMBEDDER = ["1_Pooling/config.json", "model.safetensors", "modules.json", "onnx/model.onnx", "pytorch_model.bin"]


@pytest.mark.parametrize(
    ("names", "reference", "task", "expected"),
    [
        (GGUFS, HubId("o/m"), "generate", Selection("gguf", ("m.Q8_0.gguf",))),
        (GGUFS, HubId("o/m", quantization="f16"), "generate", Selection("gguf", ("sub/m-f16.gguf",))),
        (GGUFS, HubId("o/m", file="sub/m-f16.gguf"), "generate", Selection("gguf", ("sub/m-f16.gguf",))),
        (
            ONNX,
            HubId("o/m"),
            "generate",
            Selection("onnx", ("config.json", "tokenizer.json", "onnx/model.onnx", "onnx/model.onnx_data")),
        ),
        (
            ["additional_chat_templates/tool_use.jinja", "model.onnx", "sub/config.json"],
            HubId("o/m"),
            "generate",
            Selection("onnx", ("additional_chat_templates/tool_use.jinja", "model.onnx")),
        ),
        (
            EMBEDDER,
            HubId("o/m"),
            "embed",
            Selection("sentence-transformers", ("1_Pooling/config.json", "modules.json", "model.safetensors")),
        ),
    ],
)
def test_what_a_model_needs_is_chosen_from_the_files(
    names: list[str], reference: HubId, task: Task, expected: Selection
) -> None:
    assert select_files(names, reference, task) == expected


@pytest.mark.parametrize(
    ("model_type", "kind", "weights"),
    [("bert", "sentence-transformers", "model.safetensors"), ("mpnet", "onnx", "onnx/model.onnx")],
)
def test_an_embedder_that_cannot_be_converted_is_taken_as_onnx(model_type: str, kind: str, weights: str) -> None:
    selection = select_files(EMBEDDER, HubId("o/m"), "embed", model_type)

    assert (selection.kind, selection.files[-1]) == (kind, weights)


def test_the_type_of_an_embedder_is_read_before_the_weights_are_fetched(tmp_path: Path) -> None:
    files = dict.fromkeys(EMBEDDER, b"{}") | {"config.json": b'{"model_type": "mpnet"}'}
    without = {name: content for name, content in files.items() if not name.startswith("onnx/")}
    with running(FakeHub({"org/mpnet": files, "org/none": without})) as hub:
        selection = fetch_hub(HubId("org/mpnet"), "embed", tmp_path / "a", silent, endpoint=hub.url)

        assert (selection.kind, (tmp_path / "a" / "onnx" / "model.onnx").exists()) == ("onnx", True)
        with pytest.raises(FetchError, match=r"type 'mpnet' is not converted \(only bert\): export it, 'jan-ort"):
            fetch_hub(HubId("org/none"), "embed", tmp_path / "b", silent, endpoint=hub.url)


@pytest.mark.parametrize("name", ["onnx/model_q4.onnx", "onnx/decoder_model_merged.onnx", "model_quantized.onnx"])
def test_a_repository_with_a_variant_only_is_taken(name: str) -> None:
    names = ["config.json", name, f"{name}_data"]

    assert select_files(names, HubId("o/m"), "generate").files == tuple(names)


@pytest.mark.parametrize(
    ("names", "reference", "message"),
    [
        (GGUFS, HubId("o/m", file="absent.gguf"), r"o/m/absent.gguf: no such file; .* m.Q4_0.gguf"),
        (GGUFS, HubId("o/m", quantization="Q5_K"), r"o/m:Q5_K: no GGUF file of the type Q5_K; .* m.Q2_K.gguf"),
        (["m.Q2_K.gguf"], HubId("o/m"), "no GGUF file of the type Q8_0 or Q6_K or"),
        (ONNX, HubId("o/m", quantization="Q8_0"), "has no GGUF file that can be used to generate"),
        (["../../m.Q8_0.gguf"], HubId("o/m"), "has no model that can be used to generate"),
        (["README.md"], HubId("o/m"), "needed is a .gguf file, a model.onnx or"),
    ],
)
def test_a_repository_without_what_is_needed_says_what_it_has(names: list[str], reference: HubId, message: str) -> None:
    with pytest.raises(FetchError, match=message):
        select_files(names, reference, "generate")
