"""``models search`` and ``models recommend``: what can be served, and what suits this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jan_ort.models.recommended import KNOWN_MODELS, KnownModel, recommend
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known
from tests.cli.commands.running import last_error, run
from tests.models.sources.fake_hub import FakeHub, running

README = Path(__file__).parents[3] / "README.md"


def listed(hub_id: str, downloads: int, *tags: str, pipeline: str | None = "text-generation") -> dict[str, object]:
    """Return an entry as the hub lists it."""
    entry: dict[str, object] = {"_id": "0" * 24, "id": hub_id, "modelId": hub_id, "likes": 3, "downloads": downloads}
    entry |= {"tags": list(tags), "private": False, "createdAt": "2025-01-01T00:00:00.000Z"}
    return entry if pipeline is None else entry | {"pipeline_tag": pipeline}


MODELS = [
    listed("org/tiny-GGUF", 50, "gguf", "conversational"),
    listed("org/tiny", 900, "transformers", "safetensors", "llama", "text-generation"),
    listed("org/tiny-mamba", 800, "transformers", "safetensors", "mamba"),
    listed("org/tiny-wrapped", 750, "safetensors", "gemma3", pipeline="image-text-to-text"),
    listed("org/tiny-awq", 700, "safetensors", "llama", "awq"),
    listed("org/tiny-lora", 600, "safetensors", "lora", "peft"),
    listed("org/tiny-onnx", 500, "transformers.js", "onnx", "qwen2"),
    listed("org/tiny-embed", 400, "sentence-transformers", "safetensors", "bert", pipeline="sentence-similarity"),
    listed("org/tiny-paint", 300, "onnx", "diffusers", pipeline="text-to-image"),
    listed("org/tiny-unsaid", 2, "gguf", pipeline=None),
    listed("org/other", 9000, "gguf"),
    {**listed("org/tiny-gated", 10, "gguf"), "gated": "manual"},
]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running(FakeHub({}, listed=list(MODELS))) as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        yield hub


def test_what_can_be_served_is_listed_the_most_fetched_first(hub: FakeHub) -> None:
    result = run("models", "search", "TINY", "--json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(each["hub_id"], each["task"], each["formats"]) for each in found] == [
        ("org/tiny", "generate", ["safetensors"]),
        ("org/tiny-wrapped", "generate", ["safetensors"]),
        ("org/tiny-onnx", "generate", ["onnx"]),
        ("org/tiny-embed", "embed", ["safetensors"]),
        ("org/tiny-GGUF", "generate", ["gguf"]),
        ("org/tiny-gated", "generate", ["gguf"]),
        ("org/tiny-unsaid", "?", ["gguf"]),
    ]
    assert [each["is_gated"] for each in found].count(True) == 1


def test_the_list_is_cut_and_says_that_nothing_was_run_here(hub: FakeHub) -> None:
    result = run("models", "search", "tiny", "--limit", "3")

    assert "org/tiny-onnx" in result.stdout
    assert "org/tiny-embed" not in result.stdout
    assert "Found by name, not tested" in result.stdout


def test_nothing_found_is_no_failure(hub: FakeHub) -> None:
    result = run("models", "search", "no", "such", "model")

    assert (result.exit_code, "no model for 'no such model'" in result.stdout) == (0, True)


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")

    result = run("models", "search", "tiny")

    assert result.exit_code == 1
    assert "set HF_ENDPOINT" in last_error(result)


@pytest.mark.parametrize("memory_gb", [2, 4, 8, 16, 32, 128])
@pytest.mark.parametrize("num_cores", [1, 2, 4, 64])
def test_three_models_that_fit_are_named_from_small_to_large(memory_gb: int, num_cores: int) -> None:
    found = recommend(memory_gb * 10**9, num_cores)

    sizes = [each.memory_bytes for each in found]
    assert 1 <= len(found) <= 3
    assert len(found) == 3 or memory_gb == 2
    assert sizes == sorted(sizes)
    assert sizes[-1] <= memory_gb * 10**9
    assert all(each.tokens_per_s >= 3 for each in found)


def test_more_memory_and_cores_name_larger_models() -> None:
    largest = [recommend(memory * 10**9, cores)[-1].model.reference for memory, cores in ((4, 2), (16, 4), (64, 16))]

    assert [name.split("-")[1] for name in largest] == ["4B", "14B", "32B"]


def test_a_machine_that_is_too_small_is_told() -> None:
    assert "No model fits" in run("models", "recommend", "--memory-limit-mb", "500").stdout


def test_each_is_told_with_size_reason_and_whether_it_was_run() -> None:
    result = run("models", "recommend", "--memory-limit-mb", "8000")

    assert result.exit_code == 0, result.output
    assert "not run here; figures from https://huggingface.co/Qwen/" in result.stdout
    assert "jan-ort serve --model " in result.stdout
    described = json.loads(run("models", "recommend", "--memory-limit-mb", "8000", "--json").stdout)
    assert all(each["why"] and each["source"] and each["memory_bytes"] for each in described)


@pytest.mark.parametrize("model", KNOWN_MODELS, ids=lambda model: model.reference)
def test_every_name_is_one_that_serve_takes(model: KnownModel) -> None:
    assert str(find_source(model.reference, Known())) == model.reference


@pytest.mark.parametrize("model", KNOWN_MODELS, ids=lambda model: model.reference)
def test_readme_has_the_sizes_and_speeds_that_are_recommended(model: KnownModel) -> None:
    rows = [line for line in README.read_text("utf-8").splitlines() if line.startswith(f"| `{model.reference}`")]

    for row in rows:
        memory = 12 * 10**9 if "--weights int4" in row else 10**12
        (found,) = recommend(memory, 8, [model])
        figures = f"| {model.download_bytes / 1e9:.1f} GB | {found.memory_bytes / 1e9:.1f} GB |"
        speed = "–" if model.was_run else f"{found.tokens_per_s:.0f}"
        assert f"{figures} {speed} | {model.licence} |" in row
    assert len(rows) == (not model.reference.startswith("Qwen/Qwen3-32B"))
