"""Saved slots of each kind of session; the backend kit has the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jan_ort.convert import convert_gguf
from jan_ort_backends import Capability, DeviceReport, OpenOptions, SessionInfo, Unsupported, session_capabilities
from jan_ort_conformance.backend.judging.backend_run import run_backend
from jan_ort_conformance.backend.subject import Subject
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.kv.device_kv_cache import DeviceKVCache
from jan_ort_onnxruntime.providers.processor import processor
from jan_ort_onnxruntime.sessions import generation_session
from jan_ort_onnxruntime.sessions.state_key import state_key
from tests.fixtures.gguf_models import write

INFO = SessionInfo(8, 8, 1, 0, DeviceReport("cpu", "CPUExecutionProvider"), "weights")


def converted(name: str, path: Path) -> Path:
    target = path / name
    target.mkdir()
    convert_gguf(write(name, path), target)
    return target


@pytest.mark.parametrize("name", ["llama", "lfm2", "gemma3"])
def test_it_conforms(name: str, tmp_path: Path) -> None:
    subject = Subject(OnnxRuntimeBackend(), converted(name, tmp_path))

    results = run_backend(subject, only=("states.*",), time_limit_s=None)

    assert {case.id: (case.verdict.value, case.detail) for case in results.cases if case.verdict.is_bad} == {}
    assert all(case.verdict.value == "PASS" for case in results.cases)


def test_a_cache_in_a_devices_memory_cannot_be_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        generation_session,
        "make_kv_cache",
        lambda session, graph, num_rows, length: DeviceKVCache(graph, num_rows, length, "cpu"),
    )

    session = OnnxRuntimeBackend().open(converted("llama", tmp_path), OpenOptions(num_slots=2))

    assert session.info.state_key is None
    assert Capability.STATE not in session_capabilities(OnnxRuntimeBackend(), session)
    with pytest.raises(Unsupported):
        session.save(0)


def test_a_key_is_another_where_anything_is_that_the_bytes_depend_on(tmp_path: Path) -> None:
    graphs = [tmp_path / name for name in ("one", "two")]
    for graph in graphs:
        graph.write_text(graph.name)
    elsewhere = replace(INFO, device=DeviceReport("auto", "CUDAExecutionProvider"))
    keys = [
        state_key(INFO, "A", graphs[0], None),
        state_key(INFO, "B", graphs[0], None),
        state_key(INFO, "A", graphs[1], None),
        state_key(INFO, "A", graphs[0], b"rewritten"),
        state_key(replace(INFO, weights_hash="others"), "A", graphs[0], None),
        state_key(elsewhere, "A", graphs[0], None),
    ]

    assert len(set(keys)) == len(keys)
    assert keys[0] == state_key(INFO, "A", graphs[0], None)


def test_processors_are_told_apart_by_their_instructions(tmp_path: Path) -> None:
    told = set()
    for flags in ("avx2", "avx2 avx512f"):
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text(f"processor : 0\nmodel name\t: Some CPU\nflags\t\t: {flags}\n")
        told.add(processor(cpuinfo))

    assert len(told) == 2
    assert processor(tmp_path / "nowhere")
