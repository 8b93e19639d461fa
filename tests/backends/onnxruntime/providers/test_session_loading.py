"""How each provider's session is set up, which graphs it can run, and how runs on one device wait for one another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnxruntime as real
import pytest

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.graphs.operator_needs import OperatorNeed
from jan_ort_onnxruntime.providers import provider_devices
from jan_ort_onnxruntime.providers.provider_devices import Candidate, look_around
from jan_ort_onnxruntime.providers.provider_diagnosis import diagnose
from jan_ort_onnxruntime.providers.provider_table import BUILT_IN, CPU, CUDA, DML, Provider, why_not
from jan_ort_onnxruntime.providers.session_loading import load_on
from jan_ort_onnxruntime.session_settings import SessionSettings
from tests.backends.onnxruntime.providers import fake_onnxruntime as fake
from tests.backends.onnxruntime.providers.fake_onnxruntime import FakeRuntime, FakeSession
from tests.backends.onnxruntime.providers.test_proven_opening import graph, opened

__all__ = ["graph"]  # the fixture


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


@pytest.mark.parametrize(
    ("need", "lacking"),
    [
        (OperatorNeed("GroupQueryAttention", "float32"), ["cuda"]),
        (OperatorNeed("GroupQueryAttention", "float16"), []),
        (OperatorNeed("MatMulNBits", "float32", 8), ["dml"]),
        (OperatorNeed("MatMulNBits", "float16", 4), []),
        (OperatorNeed("GatherBlockQuantized", "float16", 4), ["dml"]),
        (OperatorNeed("GroupQueryAttention", ""), []),
        (OperatorNeed("GroupQueryAttention", "float16", 0, ("packed query, key and value",)), ["dml"]),
        (OperatorNeed("GroupQueryAttention", "float16", 0, ("rotary embedding inside",)), ["dml"]),
        (OperatorNeed("MatMulNBits", "float16", 4, ("bias",)), ["dml"]),
        (OperatorNeed("RotaryEmbedding", "bfloat16"), ["dml"]),
    ],
)
def test_a_graph_is_declined_by_the_providers_without_its_kernels(need: OperatorNeed, lacking: list[str]) -> None:
    reasons = {provider.name: why_not([need], provider) for provider in BUILT_IN}

    assert [name for name, reason in reasons.items() if reason] == lacking
    for name in lacking:
        assert need.op_type in str(reasons[name])
        assert "jan-ort models convert FILE.gguf --weights int4-fp16" in str(reasons[name])


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed provider libraries: one is sound, one broken, one raises, and one does not say what it brings."""
    for name, code in {
        "sound": 'get_library_path = lambda: "sound"\nget_ep_names = lambda: ["SoundExecutionProvider"]',
        "broken": 'get_library_path = lambda: "broken"\nget_ep_names = lambda: ["BrokenExecutionProvider"]',
        "raising": 'raise ImportError("no driver")',
        "nameless": 'get_library_path = lambda: "nameless"',
    }.items():
        (tmp_path / f"onnxruntime_ep_{name}.py").write_text(code)
        info = tmp_path / f"onnxruntime_ep_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: onnxruntime-ep-{name}\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(provider_devices, "_registrations", {})


@pytest.mark.usefixtures("plugins")
def test_a_broken_provider_library_is_named_and_the_others_are_registered() -> None:
    runtime = FakeRuntime(devices=[fake.ep_device("SoundExecutionProvider", "GPU")])

    machine = look_around(runtime)

    assert runtime.libraries == {"onnxruntime-ep-sound": "sound"}
    assert [candidate.provider.name for candidate in machine.candidates] == ["sound", "cpu"]
    assert "Failed to load library broken" in machine.missing["onnxruntime-ep-broken"]
    assert "no driver" in machine.missing["onnxruntime-ep-raising"]
    assert "has no attribute 'get_ep_name'" in machine.missing["onnxruntime-ep-nameless"]


@pytest.mark.usefixtures("plugins")
def test_strict_is_strict_about_what_is_installed_and_cannot_be_used(graph: Path) -> None:
    runtime = FakeRuntime(devices=[fake.ep_device("SoundExecutionProvider", "GPU")])

    assert opened(runtime, graph).used == "SoundExecutionProvider"
    assert opened(runtime, graph, "sound", strict=True).used == "SoundExecutionProvider"
    with pytest.raises(ModelError, match=r"strict is on, and .*onnxruntime-ep-broken: .*cannot be registered"):
        opened(runtime, graph, strict=True)


@pytest.mark.usefixtures("plugins")
def test_a_registered_library_without_a_device_is_not_usable() -> None:
    truths = {truth.name: truth for truth in diagnose(FakeRuntime())}

    sound = truths["onnxruntime-ep-sound"]
    assert (sound.registered, sound.usable) == (True, False)
    assert "offers no device" in sound.detail
    assert truths["onnxruntime-ep-broken"].registered is False


def test_the_diagnosis_runs_a_graph_on_each_provider() -> None:
    runtime = FakeRuntime([fake.DML, fake.CUDA, fake.CPU], left_out=[fake.CUDA], on_provider={fake.DML: 0})

    truths = {truth.name: truth for truth in diagnose(runtime)}

    assert truths["cpu"].usable
    assert (truths["cuda"].registered, truths["cuda"].usable) == (True, False)
    assert truths["dml"].detail == "its node ran on CPUExecutionProvider"
    assert {truth.name for truth in diagnose() if truth.usable} >= {"cpu"}


def test_what_would_run_beside_the_lock_of_a_device_is_not_passed_on() -> None:
    session = load_on(Candidate(DML), Path("m"), SessionSettings(1), runtime=FakeRuntime([DML.ep_name]))

    with pytest.raises(AttributeError, match="run_async would run beside another session"):
        session.run_async(None, {})
