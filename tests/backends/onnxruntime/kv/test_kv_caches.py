"""The KV cache in a device's memory: bit for bit the host's, here with the host as the device."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from jan_ort_backends import BackendError, DeviceLost, OpenOptions, OutOfMemory, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph
from jan_ort_onnxruntime.kv.device_kv_cache import DeviceKVCache
from jan_ort_onnxruntime.kv.host_kv_cache import HostKVCache, untouched_zeros
from jan_ort_onnxruntime.kv.kv_rows import make_kv_cache
from jan_ort_onnxruntime.sessions import generation_session

GRAPH = GenerationGraph(((2, 16), (1, 32)), 300, 64, 128)


def open_on(kind: type[HostKVCache] | type[DeviceKVCache], folder: Path, patch: pytest.MonkeyPatch) -> Session:
    def make(_: object, graph: GenerationGraph, num_rows: int, length: int) -> HostKVCache | DeviceKVCache:
        return (
            DeviceKVCache(graph, num_rows, length, "cpu")
            if kind is DeviceKVCache
            else HostKVCache(graph, num_rows, length)
        )

    patch.setattr(generation_session, "make_kv_cache", make)
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
    host = conversation(open_on(HostKVCache, llama_folder, monkeypatch))
    swaps: list[tuple[int, ...]] = []
    swap = DeviceKVCache.swap

    def counted(self: DeviceKVCache, *rows: int) -> None:
        swaps.append(rows)
        swap(self, *rows)

    monkeypatch.setattr(DeviceKVCache, "swap", counted)

    device = conversation(open_on(DeviceKVCache, llama_folder, monkeypatch))

    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(device, host, strict=True))
    assert swaps


def step(session: Session, rows: list[SlotTokens]) -> NDArray[np.float32]:
    """Step once more if memory was short, as it is for the first swap below."""
    lengths = [session.length(slot) for slot in range(6)]
    try:
        return session.step(rows).logits.copy()
    except OutOfMemory:
        assert [session.length(slot) for slot in range(6)] == lengths
        return session.step(rows).logits.copy()


def decodes_in_company(session: Session) -> list[NDArray[np.float32]]:
    """Fill five rows, decode with the first and the last until they are brought together, then with all."""
    random = np.random.default_rng(8)
    for slot in range(5):
        session.step([SlotTokens(slot, random.integers(0, 256, 8))])
    companies = [(0, 4)] * 3 + [(0, 1, 2, 3, 4)] * 2
    return [step(session, [SlotTokens(slot, random.integers(0, 256, 1)) for slot in each]) for each in companies]


@pytest.mark.parametrize("kind", [HostKVCache, DeviceKVCache])
def test_a_failed_swap_leaves_every_slot_its_own_content(
    kind: type[HostKVCache] | type[DeviceKVCache], llama_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = decodes_in_company(open_on(kind, llama_folder, monkeypatch))
    swap: Callable[..., None] = kind.swap
    calls: list[tuple[int, ...]] = []

    def short_of_memory_once(self: Any, *rows: int) -> None:
        calls.append(rows)
        if len(calls) == 1:
            raise MemoryError
        swap(self, *rows)

    monkeypatch.setattr(kind, "swap", short_of_memory_once)

    found = decodes_in_company(open_on(kind, llama_folder, monkeypatch))

    assert calls
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


class FailingCopier:
    """Writes all that it is to write, and then fails in the runs of these numbers."""

    def __init__(self, copier: Any, failing: set[int], message: str = "CUDA failure 2: out of memory") -> None:
        self.io_binding = copier.io_binding
        self._copier = copier
        self._failing = failing
        self._message = message
        self.num_runs = 0

    def run_with_iobinding(self, binding: Any) -> None:
        self._copier.run_with_iobinding(binding)
        self.num_runs += 1
        if self.num_runs in self._failing:
            raise RuntimeError(self._message)


def filled_cache(failing: set[int]) -> tuple[DeviceKVCache, NDArray[np.float32]]:
    cache = DeviceKVCache(GenerationGraph(((1, 4),), 300, 64, 8), 3, 8, "cpu")
    content = np.random.default_rng(2).normal(size=(3, 1, 8, 4)).astype(np.float32)
    cache._tensors[0].update_inplace(content)
    cache._copier = FailingCopier(cache._copier, failing)
    return cache, content


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_swap_that_fails_halfway_is_undone(failing: int) -> None:
    cache, content = filled_cache({failing})

    with pytest.raises(OutOfMemory):
        cache.swap(0, 2, 8, 8)

    assert np.array_equal(cache._tensors[0].numpy(), content)


@pytest.mark.parametrize("failing", [{2, 3}, {3, 4}, {3, 5}])
def test_a_swap_that_cannot_be_undone_asks_for_the_session_to_be_reopened(failing: set[int]) -> None:
    cache, _ = filled_cache(failing)

    with pytest.raises(DeviceLost, match="the KV cache is damaged") as caught:
        cache.swap(0, 2, 8, 8)

    assert caught.value.recoverable


@pytest.mark.parametrize("failing", [{2}, {3}])
def test_a_device_that_breaks_in_a_swap_is_told_as_it_is_and_not_run_again(failing: set[int]) -> None:
    cache, _ = filled_cache(set())
    copier = FailingCopier(cache._copier, failing, "CUDA failure 700: an illegal memory access was encountered")
    cache._copier = copier

    with pytest.raises(DeviceLost) as caught:
        cache.swap(0, 2, 8, 8)

    assert not caught.value.recoverable
    assert copier.num_runs == max(failing)


def test_a_swap_takes_no_further_memory_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, content = filled_cache(set())
    monkeypatch.delattr(DeviceKVCache, "_zeros")

    cache.swap(0, 2, 8, 8)

    assert np.array_equal(cache._tensors[0].numpy(), content[[2, 1, 0]])


def test_a_slot_whose_fork_failed_is_empty(llama_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_on(DeviceKVCache, llama_folder, monkeypatch)
    for slot in (0, 1):
        session.step([SlotTokens(slot, np.arange(8), 0)])
    kv_rows: Any = session._kv_rows  # type: ignore[attr-defined]
    monkeypatch.setattr(kv_rows, "_copier", FailingCopier(kv_rows._copier, {1}))

    with pytest.raises(OutOfMemory):
        session.fork(0, 1, 5)

    assert (session.length(0), session.length(1)) == (8, 0)


class Loaded:
    def __init__(self, ep_name: str) -> None:
        self.ep_name = ep_name

    def get_providers(self) -> list[str]:
        return [self.ep_name, "CPUExecutionProvider"]


@pytest.mark.parametrize("ep_name", ["CUDAExecutionProvider", "DmlExecutionProvider"])
def test_a_device_whose_memory_cannot_be_had_is_told_as_a_typed_error(ep_name: str) -> None:
    if ep_name in onnxruntime.get_available_providers():
        pytest.skip("its device may be here")
    with pytest.raises(BackendError, match=r"the KV cache cannot be kept on the device: .*Can't allocate memory"):
        make_kv_cache(Loaded(ep_name), GRAPH, 2, 16)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_are_copied_and_swapped_alike_in_every_memory(dtype: str) -> None:
    graph = GenerationGraph(((1, 4), (2, 8)), 300, 64, 8, dtype)
    host, device = HostKVCache(graph, 3, 8), DeviceKVCache(graph, 3, 8, "cpu")
    random = np.random.default_rng(2)
    contents = [random.normal(size=shape).astype(dtype) for shape in graph.cache_shapes(3, 8)]
    for index, content in enumerate(contents):
        host._tensors[index][...] = content
        device._tensors[index].update_inplace(content)

    for cache in (host, device):
        cache.swap(0, 2, 8, 8)
        cache.copy(2, 1, 8)

    for index, content in enumerate(contents):
        assert np.array_equal(host._tensors[index], device._tensors[index].numpy())
        assert np.array_equal(host._tensors[index], content[[2, 0, 0]])


def test_host_memory_is_chosen_for_providers_that_read_it() -> None:
    for ep_name in ("CPUExecutionProvider", "OpenVINOExecutionProvider"):
        assert isinstance(make_kv_cache(Loaded(ep_name), GRAPH, 2, 16), HostKVCache)


def test_a_kernel_without_huge_pages_takes_no_advice_about_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pages(mmap.mmap):
        def madvise(self, *_: Any) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(mmap, "mmap", Pages)

    assert untouched_zeros((2, 3), np.dtype(np.float32)).tolist() == [[0, 0, 0], [0, 0, 0]]
