"""What a repository is for is told by its files, and a cached one tells it without the network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jan_ort.ground.model_errors import FetchError
from jan_ort.ground.task import EMBED, GENERATE, RERANK, TASKS, Task
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.cache.model_cache import ModelCache
from jan_ort.models.sources.hub import HubSource
from jan_ort.models.sources.hub_files import HubId
from tests.models.sources.fake_hub import FakeHub, running

NOWHERE = "http://127.0.0.1:9"


def config(*architectures: str) -> bytes:
    return json.dumps({"architectures": architectures}).encode()


REPOSITORIES: dict[str, dict[str, bytes]] = {
    "org/modules": {"modules.json": b"[]", "config.json": config("Qwen3ForCausalLM")},
    "org/logits": {
        "modules.json": b"[]",
        "1_LogitScore/config.json": b"{}",
        "config.json": config("Qwen3ForCausalLM"),
    },
    "org/pooling": {"1_Pooling/config.json": b"{}", "config.json": config("BertForMaskedLM")},
    "org/headless": {"config.json": config("BertModel"), "onnx/model.onnx": b""},
    "org/causal": {"config.json": config("LlamaForCausalLM"), "model.onnx": b""},
    "org/gpt2": {"config.json": config("GPT2LMHeadModel"), "model.onnx": b""},
    "org/unnamed": {"config.json": b"{}", "m.Q8_0.gguf": b""},
    "org/Qwen3-Reranker-0.6B": {
        "config.json": json.dumps({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}).encode()
    },
    "org/gguf": {"m.Q8_0.gguf": b"", "README.md": b""},
    "org/broken": {"config.json": b"<html>"},
    "org/list": {"config.json": b"[]"},
    "org/number": {"config.json": b'{"architectures": 3}'},
}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(FakeHub(REPOSITORIES)) as hub:
        yield hub


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("modules", EMBED),
        ("logits", RERANK),
        ("pooling", EMBED),
        ("headless", EMBED),
        ("causal", GENERATE),
        ("gpt2", GENERATE),
        ("unnamed", GENERATE),
        ("Qwen3-Reranker-0.6B", RERANK),
        ("gguf", GENERATE),
    ],
)
def test_the_files_of_a_repository_tell_its_task(hub: FakeHub, tmp_path: Path, name: str, expected: Task) -> None:
    assert HubSource(HubId(f"org/{name}")).find_task(tmp_path, endpoint=hub.url) == expected
    assert set(hub.downloads) <= {"config.json"}


@pytest.mark.parametrize(
    "reference", [HubSource(HubId("org/x", quantization="Q8_0")), HubSource(HubId("org/x", file="m.gguf"))]
)
def test_a_gguf_file_generates_and_nothing_is_asked(tmp_path: Path, reference: HubSource) -> None:
    assert reference.find_task(tmp_path, endpoint=NOWHERE) == GENERATE


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_what_is_cached_is_known_without_the_network(tmp_path: Path, task: Task) -> None:
    reference = HubSource(HubId("org/modules"))
    key = CacheKey("modules", reference.identity(task), "float32")
    ModelCache(tmp_path).get_or_build(key, lambda work, model: None)

    assert reference.find_task(tmp_path, endpoint=NOWHERE) == task


@pytest.mark.parametrize("name", ["broken", "list", "number"])
def test_a_configuration_that_cannot_be_read_asks_the_user(hub: FakeHub, tmp_path: Path, name: str) -> None:
    with pytest.raises(FetchError, match=f"org/{name}: its config.json .* say --task generate or embed"):
        HubSource(HubId(f"org/{name}")).find_task(tmp_path, endpoint=hub.url)


@pytest.mark.parametrize(
    ("name", "remedy"), [("absent", "check the name"), ("gated", "accept its terms"), ("modules", "Connect to")]
)
def test_what_cannot_be_asked_says_what_to_do(hub: FakeHub, tmp_path: Path, name: str, remedy: str) -> None:
    endpoint = NOWHERE if name == "modules" else hub.url

    with pytest.raises(FetchError, match=remedy):
        HubSource(HubId(f"org/{name}")).find_task(tmp_path, endpoint=endpoint)
