"""Steps on a device with memory of its own: bit for bit the host's, whatever is copied and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from jan_ort_backends import DeviceReport, OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder
from jan_ort_onnxruntime.graphs.recognition import read_graph
from jan_ort_onnxruntime.kv.device_kv_cache import DeviceKVCache
from jan_ort_onnxruntime.kv.kv_rows import KVRows
from jan_ort_onnxruntime.kv.row_kv_cache import RowKVCache
from jan_ort_onnxruntime.sessions import generation_session
from jan_ort_onnxruntime.sessions.generation_session import GenerationSession, SeparateSession
from tests.backends.onnxruntime.sessions.copying_session import CopyingSession
from tests.backends.onnxruntime.weight_folders import tiny_llama

PAST = "past_key_values.1.value"
OPTIONS, DEVICE = OpenOptions(num_slots=4), DeviceReport("auto", "played")


def load(folder: Path) -> tuple[GenerationGraph, ort.InferenceSession]:
    graph = read_graph(OnnxFolder.read(folder))
    assert isinstance(graph, GenerationGraph)
    return graph, ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


def conversation(session: Session, company: Sequence[int]) -> list[NDArray[np.float32]]:
    """Prompts in chunks, decodes of changing lengths, a fork and a truncation."""
    random, found = np.random.default_rng(4), []
    for slot in company:
        session.step([SlotTokens(slot, random.integers(0, 256, 9 + slot), 0)])
        found.append(session.step([SlotTokens(slot, random.integers(0, 256, 5), 2)]).logits.copy())
    session.fork(company[0], 3, 11)
    session.truncate(company[-1], 7)
    for _ in range(6):
        rows = [SlotTokens(slot, random.integers(0, 256, 1)) for slot in (*company, 3)]
        found.append(session.step(rows).logits.copy())
    found.append(session.step([SlotTokens(3, random.integers(0, 256, 3), 3)]).logits.copy())
    return found


def host(folder: Path, company: Sequence[int]) -> list[NDArray[np.float32]]:
    graph, loaded = load(folder)
    return conversation(GenerationSession(loaded, graph, OPTIONS, DEVICE, "0"), company)


@pytest.fixture(params=["int8", "fp16", "int4-fp16"])
def folder(request: pytest.FixtureRequest) -> Path:
    return tiny_llama(request.param)


def test_a_cache_that_travels_is_bound_anew_for_each_run(folder: Path) -> None:
    graph, loaded = load(folder)
    far = CopyingSession(loaded, "OpenVINOExecutionProvider", resident=False)

    found = conversation(GenerationSession(far, graph, OPTIONS, DEVICE, "0"), (0, 1, 2))

    assert far.num_bound(PAST) == [1] * far.num_runs
    for ours, theirs in zip(found, host(folder, (0, 1, 2)), strict=True):
        assert_array_equal(ours, theirs)


def played_by_the_host(kind: Callable[..., KVRows]) -> Callable[..., KVRows]:
    return lambda session, graph, num_rows, length: kind(graph, num_rows, length, "cpu")


def test_a_cache_on_the_device_is_bound_once_and_the_step_s_inputs_each_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = host(folder, (0, 1, 2))
    monkeypatch.setattr(generation_session, "make_kv_cache", played_by_the_host(DeviceKVCache))
    graph, loaded = load(folder)
    far = CopyingSession(loaded, "CUDAExecutionProvider", resident=True)

    found = conversation(GenerationSession(far, graph, OPTIONS, DEVICE, "0"), (0, 1, 2))

    assert far.num_bound(PAST) == [1] * len(far.bindings)
    assert len(far.bindings) < far.num_runs == sum(far.num_bound("input_ids"))
    for ours, theirs in zip(found, expected, strict=True):
        assert_array_equal(ours, theirs)


def test_rows_of_their_own_run_alone_and_several_tokens_only_from_the_beginning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = host(folder, (0,))
    monkeypatch.setattr(generation_session, "make_kv_cache", played_by_the_host(RowKVCache))
    graph, loaded = load(folder)
    session = SeparateSession(
        CopyingSession(loaded, "DmlExecutionProvider", resident=True), graph, OPTIONS, DEVICE, "0"
    )
    runs: list[tuple[int, int, int]] = []
    run = session._runner.run  # type: ignore[union-attr]

    def noted(each: Any, *rest: Any) -> None:
        runs.append((*each.token_ids.shape, int(each.seqlens_k[0]) + 1))
        run(each, *rest)

    monkeypatch.setattr(session._runner, "run", noted)

    found = conversation(session, (0,))

    assert all(rows == 1 and width in (1, total) for rows, width, total in runs)
    for ours, theirs in zip(found, expected, strict=True):
        # Other sizes of products round differently: in float32's last digits, or in float16's.
        tolerance = 1e-5 if folder.name == "int8" else 0.005
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * float(np.ptp(theirs)))
