"""Provider libraries that are installed: which are registered, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.providers.provider_devices import Machine, choose, look_around
from tests.backends.onnxruntime.providers import fake_onnxruntime as fake
from tests.backends.onnxruntime.providers.conftest import install
from tests.backends.onnxruntime.providers.fake_onnxruntime import FakeRuntime
from tests.backends.onnxruntime.providers.opened import opened


@pytest.mark.usefixtures("plugins")
def test_a_broken_provider_library_is_named_and_the_others_are_registered() -> None:
    runtime = FakeRuntime(brings={"sound": [fake.ep_device("SoundExecutionProvider", "GPU")]})

    machine = look_around(runtime)

    assert runtime.libraries == {"SoundExecutionProvider": "sound"}
    assert look_around(runtime) == machine
    assert [candidate.provider.name for candidate in machine.candidates] == ["sound", "cpu"]
    assert sorted(machine.missing) == ["onnxruntime-ep-broken-cu13", "onnxruntime-ep-nameless", "onnxruntime-raising"]
    assert "Failed to load library broken" in machine.missing["onnxruntime-ep-broken-cu13"]
    assert "no driver" in machine.missing["onnxruntime-raising"]
    assert "has no attribute 'EP_NAME'" in machine.missing["onnxruntime-ep-nameless"]


@pytest.mark.usefixtures("sound")
def test_a_provider_that_calls_itself_what_it_is_registered_as_is_found() -> None:
    machine = look_around(FakeRuntime(brings={"sound": [fake.ep_device("", "GPU")]}))

    assert [candidate.provider.name for candidate in machine.candidates] == ["sound", "cpu"]
    assert machine.missing == {}


@pytest.mark.usefixtures("sound")
def test_a_library_without_a_device_is_told_of_and_its_installation_is_no_remedy() -> None:
    machine = look_around(FakeRuntime())

    assert machine.missing == {
        "onnxruntime-ep-sound": "its library is registered and offers no device here (SoundExecutionProvider); update "
        "its driver, choose another provider, or uninstall its distribution"
    }
    with pytest.raises(LookupError, match=r"offers no device here .*; there are: auto, cpu$"):
        choose(machine, "sound")


@pytest.mark.usefixtures("sound")
def test_a_library_is_named_before_its_code_can_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    last: list[str] = []
    runtime = FakeRuntime()
    monkeypatch.setattr(
        runtime, "register_execution_provider_library", lambda name, path: last.append(caplog.messages[-1])
    )
    caplog.set_level("INFO")

    look_around(runtime)

    assert last == ["registering the library of onnxruntime-ep-sound"]


@pytest.mark.usefixtures("plugins")
def test_who_asks_for_the_cpu_has_no_library_loaded() -> None:
    runtime = FakeRuntime(brings={"sound": [fake.ep_device("SoundExecutionProvider", "GPU")]})

    machine = look_around(runtime, "cpu")

    assert (runtime.libraries, machine.missing) == ({}, {})
    assert [each.provider.name for each in choose(machine, "cpu")] == ["cpu"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [("raise SystemExit(3)", "SystemExit: 3"), ("raise BaseException('panic')", "BaseException: panic"), ("[][0]", "")],
)
@pytest.mark.usefixtures("sound")
def test_a_package_that_would_end_the_process_hinders_no_other(code: str, reason: str, tmp_path: Path) -> None:
    install(tmp_path, "onnxruntime-ep-ending", "onnxruntime_ep_ending", f"{code}\ndef get_ep_name(): ...")

    machine = look_around(FakeRuntime(brings={"sound": [fake.ep_device("SoundExecutionProvider", "GPU")]}))

    assert [candidate.provider.name for candidate in machine.candidates] == ["sound", "cpu"]
    assert f"cannot be registered: {reason}" in machine.missing["onnxruntime-ep-ending"]


@pytest.mark.parametrize("name", ["nv-tensorrt-rtx", "nvtensorrtrtx"])  # NvTensorRTRTXExecutionProvider is the second
def test_why_a_library_cannot_be_used_is_told_of_either_spelling_of_its_provider(name: str) -> None:
    machine = Machine((), (), {"onnxruntime-ep-nv-tensorrt-rtx-cu13": "its library cannot be registered: no libcuda"})

    with pytest.raises(LookupError, match="rtx-cu13: its library cannot be registered: no libcuda; there are"):
        choose(machine, name)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("CUDA", "no such provider; there are: auto, cpu; did you mean 'cuda'?"),
        ("CUDAExecutionProvider", "did you mean 'cuda'?"),
        ("DirectML", "did you mean 'dml'?"),
        ("CPUExecutionProvider", "did you mean 'cpu'?"),
        (" cpu", "did you mean 'cpu'?"),
        ("QNN", "did you mean 'qnn'?"),
        ("nv-tensorrt-rtx", "did you mean 'nvtensorrtrtx'?"),
        ("cuda", ', then pip install "onnxruntime-gpu[cuda,cudnn]"'),
        ("qnn", "; pip install onnxruntime-qnn"),
        ("vitisai", "; on Windows: pip install windowsml, then jan-ort doctor --install-providers"),
        ("npu", "; jan-ort doctor tells what each device of this machine needs"),
        ("", "; jan-ort doctor tells what each device of this machine needs"),
    ],
)
def test_a_provider_that_is_not_there_is_told_with_what_to_do(name: str, remedy: str) -> None:
    machine = look_around(FakeRuntime())

    with pytest.raises(LookupError) as raised:
        choose(machine, name)

    assert str(raised.value.args[0]).endswith(remedy)


@pytest.mark.usefixtures("sound")
def test_a_plugin_in_another_spelling_is_named() -> None:
    machine = look_around(FakeRuntime(brings={"sound": [fake.ep_device("SoundExecutionProvider", "GPU")]}))

    with pytest.raises(LookupError, match=r"there are: auto, sound, cpu; did you mean 'sound'\?$"):
        choose(machine, "SoundExecutionProvider")


@pytest.mark.usefixtures("plugins")
def test_strict_is_strict_about_what_is_installed_and_cannot_be_used(graph: Path) -> None:
    runtime = FakeRuntime(brings={"sound": [fake.ep_device("SoundExecutionProvider", "GPU")]})

    assert opened(runtime, graph).used == "SoundExecutionProvider"
    assert opened(runtime, graph, "sound", strict=True).used == "SoundExecutionProvider"
    with pytest.raises(ModelError, match=r"strict is on, and .*onnxruntime-ep-broken-cu13: .*cannot be registered"):
        opened(runtime, graph, strict=True)
