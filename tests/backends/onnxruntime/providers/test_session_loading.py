"""How each provider's session is set up, and how runs on one device wait for one another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnxruntime as real
import pytest

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.providers.provider_devices import Candidate
from jan_ort_onnxruntime.providers.provider_table import BUILT_IN, CPU, CUDA, DML, Provider
from jan_ort_onnxruntime.providers.session_loading import load_on
from jan_ort_onnxruntime.session_settings import SessionSettings
from tests.backends.onnxruntime.providers.fake_onnxruntime import FakeRuntime, FakeSession


def loaded(provider: Provider, runtime: FakeRuntime) -> FakeSession:
    load_on(Candidate(provider), Path("model.onnx"), SessionSettings(1), runtime=runtime)
    return runtime.sessions[-1]


@pytest.mark.parametrize("provider", BUILT_IN)
def test_no_session_may_fall_back_by_itself_and_all_run_in_order(provider: Provider) -> None:
    session = loaded(provider, FakeRuntime([provider.ep_name]))

    assert session.kwargs == {"enable_fallback": 0}
    assert session.options.execution_mode == real.ExecutionMode.ORT_SEQUENTIAL
    assert session.options.enable_mem_pattern is (provider is not DML)
    assert session.provider_options == {provider.ep_name: dict(provider.options)}
    assert session.options.entries.items() >= provider.session_entries.items()


def test_the_arena_is_limited_where_the_provider_can() -> None:
    runtime, settings = FakeRuntime([CUDA.ep_name]), SessionSettings(1, memory_limit_mb=2048)

    load_on(Candidate(CUDA), Path("model.onnx"), settings, runtime=runtime)

    expected = dict(CUDA.options) | {"gpu_mem_limit": "2147483648"}
    assert runtime.sessions[-1].provider_options == {CUDA.ep_name: expected}


@pytest.mark.parametrize("provider", [DML, CPU])
def test_a_limit_that_the_provider_cannot_keep_is_refused(provider: Provider) -> None:
    runtime, settings = FakeRuntime([provider.ep_name]), SessionSettings(1, memory_limit_mb=2048)

    with pytest.raises(ModelError, match=r"memory_limit_mb is 2048, and .* takes no limit"):
        load_on(Candidate(provider), Path("model.onnx"), settings, runtime=runtime)


def test_cuda_s_libraries_are_loaded_before_its_session_without_printing(capsys: pytest.CaptureFixture[str]) -> None:
    runtime = FakeRuntime([CUDA.ep_name])

    loaded(CUDA, runtime)
    loaded(CPU, runtime)

    assert runtime.num_preloads == 1
    assert capsys.readouterr().out == ""


RUNS: Mapping[str, Callable[[Any], object]] = {
    "run": lambda session: session.run(None, {"values": 1}),
    "run_with_iobinding": lambda session: session.run_with_iobinding(None),
    "run_with_ort_values": lambda session: session.run_with_ort_values([], {}),
}


@pytest.mark.parametrize("method", RUNS)
@pytest.mark.parametrize(("provider", "overlaps"), [(DML, False), (CUDA, True)])
def test_runs_of_two_sessions_on_one_directml_device_never_overlap(
    provider: Provider, overlaps: bool, method: str
) -> None:
    FakeSession.overlapped.clear()
    runtime = FakeRuntime([provider.ep_name])
    sessions = [load_on(Candidate(provider), Path("m"), SessionSettings(1), runtime=runtime) for _ in range(2)]

    def run(session: FakeSession) -> None:
        for _ in range(10):
            RUNS[method](session)

    threads = [threading.Thread(target=run, args=[session]) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert FakeSession.overlapped.is_set() is overlaps


def test_what_would_run_beside_the_lock_of_a_device_is_not_passed_on() -> None:
    session = load_on(Candidate(DML), Path("m"), SessionSettings(1), runtime=FakeRuntime([DML.ep_name]))

    with pytest.raises(AttributeError, match="run_async would run beside another session"):
        session.run_async(None, {})
