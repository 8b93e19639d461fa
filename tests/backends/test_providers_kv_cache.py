"""The KV cache in a device's memory: bit for bit the host's, here with the host as the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from jan_ort_backends import BackendError, OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend, generation
from jan_ort_onnxruntime.device_kv_cache import DeviceKVCache
from jan_ort_onnxruntime.graph import GenerationGraph
from jan_ort_onnxruntime.kv_cache import KVCache
from jan_ort_onnxruntime.kv_memory import make_kv_cache
from jan_ort_onnxruntime.onnx_bytes import Node, write_graph

GRAPH = GenerationGraph(2, 2, 16, 300, 64, 128)


def open_on(kind: type[KVCache] | type[DeviceKVCache], folder: Path, patch: pytest.MonkeyPatch) -> Session:
    def make(_: object, graph: GenerationGraph, num_rows: int, length: int) -> KVCache | DeviceKVCache:
        return (
            DeviceKVCache(graph, num_rows, length, "cpu") if kind is DeviceKVCache else KVCache(graph, num_rows, length)
        )

    patch.setattr(generation, "make_kv_cache", make)
    return OnnxRuntimeBackend().open(folder, OpenOptions(num_slots=6))


def conversation(session: Session) -> list[NDArray[np.float32]]:
    """Prefill three slots, fork one, and decode in changing company, so that rows are swapped."""
    random = np.random.default_rng(3)
    found = []
    for slot in (0, 2, 4):
        prompt = random.integers(0, 256, 12 + slot)
        found.append(session.step([SlotTokens(slot, prompt)]).logits.copy())
    session.fork(2, 5, 9)
    for company in ((0, 4), (0, 2, 4), (2, 5), (0, 5)):
        for _ in range(12):
            rows = [SlotTokens(slot, random.integers(0, 256, 1)) for slot in company]
            found.append(session.step(rows).logits.copy())
    return found


def test_a_conversation_has_the_same_logits_in_either_memory(
    llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = conversation(open_on(KVCache, llama_folder, monkeypatch))
    swaps: list[tuple[int, ...]] = []
    swap = DeviceKVCache.swap

    def counted(self: DeviceKVCache, *rows: int) -> None:
        swaps.append(rows)
        swap(self, *rows)

    monkeypatch.setattr(DeviceKVCache, "swap", counted)

    device = conversation(open_on(DeviceKVCache, llama_folder, monkeypatch))

    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(device, host, strict=True))
    assert swaps


class Loaded:
    def __init__(self, ep_name: str) -> None:
        self.ep_name = ep_name

    def get_providers(self) -> list[str]:
        return [self.ep_name, "CPUExecutionProvider"]


@pytest.mark.parametrize("ep_name", ["CUDAExecutionProvider", "DmlExecutionProvider"])
def test_a_device_whose_memory_cannot_be_had_is_told_as_a_typed_error(ep_name: str) -> None:
    with pytest.raises(BackendError, match=r"the KV cache cannot be kept on the device: .*Can't allocate memory"):
        make_kv_cache(Loaded(ep_name), GRAPH, 2, 16)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_are_copied_and_swapped_alike_in_every_memory(dtype: str) -> None:
    graph = GenerationGraph(1, 1, 4, 300, 64, 8, dtype)
    host, device = KVCache(graph, 3, 8), DeviceKVCache(graph, 3, 8, "cpu")
    content = np.random.default_rng(2).normal(size=(3, 1, 8, 4)).astype(dtype)
    host._array[0] = content
    device._tensors[0].update_inplace(content)

    for cache in (host, device):
        cache.swap(0, 2, 8, 8)
        cache.copy(2, 1, 8)

    assert np.array_equal(host._array[0], device._tensors[0].numpy())
    assert np.array_equal(host._array[0], content[[2, 0, 0]])


def test_host_memory_is_chosen_for_providers_that_read_it() -> None:
    for ep_name in ("CPUExecutionProvider", "OpenVINOExecutionProvider"):
        assert isinstance(make_kv_cache(Loaded(ep_name), GRAPH, 2, 16), KVCache)


def test_a_graph_that_is_written_by_hand_is_one_that_onnx_accepts() -> None:
    matrix = np.arange(600, dtype=np.float32).reshape(2, 300)
    nodes = [Node("MatMul", ("a", "weights"), ("b",)), Node("Identity", ("b",), ("c",))]

    model = onnx.load_from_string(write_graph(nodes, {"a": ["n", "m"]}, {"c": ["n", "k"]}, {"weights": matrix}))

    onnx.checker.check_model(model, full_check=True)
    assert np.array_equal(onnx.numpy_helper.to_array(model.graph.initializer[0]), matrix)
    assert [node.op_type for node in model.graph.node] == ["MatMul", "Identity"]
