"""Windows ML's catalogue, played by a stand-in with the real package's names: what is registered, chosen, installed."""

from __future__ import annotations

import inspect
import json
import sys
from enum import IntEnum
from pathlib import Path

import pytest
from click.testing import CliRunner

from jan_ort.cli.program import main
from jan_ort_backends import ModelError
from jan_ort_backends.diagnosis import InstallsProviders
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.providers import plugin_trial, provider_diagnosis, windows_ml
from jan_ort_onnxruntime.providers.provider_devices import choose, look_around
from tests.backends.onnxruntime.providers import fake_onnxruntime as fake
from tests.backends.onnxruntime.providers import fake_windowsml
from tests.backends.onnxruntime.providers.fake_onnxruntime import DML, FakeRuntime
from tests.backends.onnxruntime.providers.fake_windowsml import (
    EpCatalog,
    EpCertification,
    EpReadyState,
    ExecutionProvider,
)
from tests.backends.onnxruntime.providers.opened import opened

SURFACE = json.loads((Path(__file__).parents[3] / "fixtures/windowsml/surface.json").read_text())["classes"]

QNN, OPENVINO, TENSORRT = "QNNExecutionProvider", "OpenVINOExecutionProvider", "NvTensorRTRTXExecutionProvider"


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows 11 with the package, and two providers: one is there, one would have to be fetched."""
    monkeypatch.setitem(sys.modules, "windowsml", fake_windowsml)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(windows_ml, "_catalogs", [])
    monkeypatch.setattr(EpCatalog, "num_open", 0)
    monkeypatch.setattr(ExecutionProvider, "states", {})
    offer(monkeypatch, {QNN: EpReadyState.NotReady, OPENVINO: EpReadyState.NotPresent})


def offer(monkeypatch: pytest.MonkeyPatch, states: dict[str, EpReadyState], **given: object) -> None:
    ExecutionProvider.states.update(states)
    monkeypatch.setattr(EpCatalog, "offered", [ExecutionProvider(name, **given) for name in states])  # type: ignore[arg-type]


def runtime(*available: str) -> FakeRuntime:
    brings = {
        f"WindowsApps/{QNN}.dll": [fake.ep_device(QNN, "CPU"), fake.ep_device(QNN, "NPU")],
        f"WindowsApps/{OPENVINO}.dll": [fake.ep_device(OPENVINO, "GPU")],
    }
    return FakeRuntime(available=(*available, fake.CPU), brings=brings)


@pytest.mark.parametrize("name", SURFACE)
def test_the_stand_in_has_the_names_of_the_real_package(name: str) -> None:
    kind = getattr(fake_windowsml, name)
    own = {member: value for member, value in vars(kind).items() if member in SURFACE[name] or not is_private(member)}

    if issubclass(kind, IntEnum):
        assert {member.name: member.value for member in kind} == SURFACE[name]
        return
    surface = {member: described(value) for member, value in own.items() if callable(value) or is_property(value)}
    surface["__init__"] = surface["__init__"][: len(SURFACE[name]["__init__"])]  # what tests give beside it
    assert surface == SURFACE[name]


def is_private(member: str) -> bool:
    return member.startswith("_")


def is_property(value: object) -> bool:
    return isinstance(value, property)


def described(value: object) -> object:
    return "property" if is_property(value) else inspect.getfullargspec(value).args  # type: ignore[arg-type]


def test_what_windows_has_is_registered_once_and_nothing_is_fetched() -> None:
    there = runtime()

    machine = look_around(there)

    assert there.libraries == {QNN: f"WindowsApps/{QNN}.dll"}
    assert look_around(there) == machine
    assert [(each.provider.name, each.device_kind) for each in machine.candidates] == [
        ("qnn", "NPU"),
        ("qnn", "CPU"),
        ("cpu", ""),
    ]
    assert (machine.missing, EpCatalog.num_open) == ({}, 1)
    assert ExecutionProvider.states[OPENVINO] is EpReadyState.NotPresent


def test_it_is_chosen_by_the_catalogues_name_by_its_own_and_by_auto(graph: Path) -> None:
    there = runtime()

    assert [opened(there, graph, name).used for name in ("windowsml", "qnn", "auto")] == [QNN] * 3


def test_a_provider_that_fails_gives_way_to_directml(graph: Path) -> None:
    there = runtime(DML)
    there.failing = {QNN: RuntimeError("no driver")}

    report = opened(there, graph)

    assert (report.used, "no driver" in report.declined["qnn"]) == (DML, True)


def test_an_older_windows_has_directml_and_says_so(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EpCatalog, "refusal", OSError(-2147221164, "Class not registered"))

    assert opened(runtime(DML), graph).used == DML
    with pytest.raises(
        ModelError, match=r"'windowsml': .*Class not registered.* provider=dml .*there are: auto, dml, cpu"
    ):
        opened(runtime(DML), graph, "windowsml")


def test_without_the_package_nothing_is_wrong(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "windowsml", None)  # what makes importing it a ModuleNotFoundError

    machine = look_around(runtime(DML))

    assert machine.missing == {}
    with pytest.raises(LookupError, match="pip install windowsml"):
        choose(machine, "windowsml")


def test_a_provider_that_has_to_be_fetched_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, {OPENVINO: EpReadyState.NotPresent})

    with pytest.raises(LookupError, match=rf"none of {OPENVINO} can be used; jan-ort doctor --install-providers"):
        choose(look_around(runtime()), "windowsml")


@pytest.mark.parametrize("name", ["openvino", "qnn"])
def test_so_is_one_that_is_asked_for_by_its_own_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    offer(monkeypatch, dict.fromkeys((OPENVINO, QNN), EpReadyState.NotPresent))

    with pytest.raises(LookupError, match=r"there are: auto, cpu; jan-ort doctor --install-providers$"):
        choose(look_around(runtime()), name)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"failure": OSError(5, "Access is denied")}, "cannot be registered: .*Access is denied.*; update Windows"),
        ({}, "it is registered and offers no device here"),
    ],
)
def test_a_provider_that_cannot_be_registered_is_told(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, object], reason: str
) -> None:
    offer(monkeypatch, {TENSORRT: EpReadyState.Ready}, **given)

    machine = look_around(runtime())

    with pytest.raises(LookupError, match=f"windowsml {TENSORRT}: .*{reason}"):
        choose(machine, "windowsml")


@pytest.mark.parametrize(
    "error", [OSError(-2147024890, "The handle is invalid"), ValueError("3 is not a valid EpReadyState")]
)
def test_a_provider_whose_state_is_not_told_keeps_no_other_from_being_used(
    monkeypatch: pytest.MonkeyPatch, graph: Path, error: Exception
) -> None:
    offer(monkeypatch, {TENSORRT: EpReadyState.Ready, QNN: EpReadyState.NotReady})
    monkeypatch.setattr(EpCatalog.offered[0], "__class__", untold(error))

    report = opened(runtime(), graph)
    results = windows_ml.install_offered()
    truths = {truth.name: truth for truth in provider_diagnosis.diagnose(runtime())}

    said = f"its state is not known: {error}; update Windows and the package windowsml"
    assert (report.used, report.declined[f"windowsml {TENSORRT}"]) == (QNN, said)
    assert [(each.name, each.installed) for each in results] == [(TENSORRT, False), (QNN, True)]
    assert (results[0].detail, truths[f"windowsml {TENSORRT}"].detail) == (said, said)


def untold(error: Exception) -> type[ExecutionProvider]:
    """Return the class of a provider that does not tell its state."""

    class Untold(ExecutionProvider):
        @property
        def ready_state(self) -> EpReadyState:
            raise error

    return Untold


def test_a_provider_that_hangs_in_a_process_of_its_own_is_not_registered_here(
    monkeypatch: pytest.MonkeyPatch, graph: Path
) -> None:
    tried: list[str] = []
    said = {f"windowsml {QNN}": "it has not returned after 20 s"}
    monkeypatch.setattr(plugin_trial, "try_out", lambda targets: tried.extend(targets) or said)
    there = runtime(DML)

    report = opened(there, graph)
    look_around(there)

    assert (report.used, there.libraries, tried) == (DML, {}, [f"windowsml {QNN}"])
    assert "after 20 s; update Windows and its drivers" in report.declined[f"windowsml {QNN}"]


def test_what_is_not_certified_is_neither_registered_nor_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, {QNN: EpReadyState.NotReady}, certification=EpCertification.Uncertified)
    there = runtime()

    look_around(there)
    (result,) = windows_ml.install_offered()

    assert (there.libraries, result.installed, "not certified" in result.detail) == ({}, False, True)


def test_a_provider_that_a_package_has_brought_is_not_brought_again(monkeypatch: pytest.MonkeyPatch) -> None:
    there = runtime()
    there.brings = {**there.brings, "package": [fake.ep_device(QNN, "NPU")]}
    there.register_execution_provider_library(QNN, "package")

    look_around(there)

    assert there.libraries == {QNN: "package"}


def test_installing_makes_all_of_them_usable() -> None:
    backend = OnnxRuntimeBackend()
    assert isinstance(backend, InstallsProviders)

    results = [*backend.install_providers()]

    assert [(each.name, each.installed, each.detail) for each in results] == [
        (QNN, True, "version 1.8.63.0"),
        (OPENVINO, True, "version 1.8.63.0"),
    ]
    assert set(look_around(runtime()).by_windows) == {QNN, OPENVINO}


def test_the_doctor_installs_them_and_says_what_became_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, {OPENVINO: EpReadyState.NotPresent}, failure=OSError(-2147023728, "Element not found"))

    results = windows_ml.install_offered()

    assert [(each.installed, "Element not found" in each.detail) for each in results] == [(False, True)]


def test_the_doctor_tells_what_windows_would_install(monkeypatch: pytest.MonkeyPatch) -> None:
    truths = {truth.name: truth for truth in provider_diagnosis.diagnose(runtime())}

    truth = truths[f"windowsml {OPENVINO}"]
    assert (truth.usable, truth.detail, truth.remedy) == (
        False,
        "Windows offers it, and it is not installed",
        "jan-ort doctor --install-providers",
    )


def test_elsewhere_there_is_nothing_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "windowsml", None)

    (result,) = windows_ml.install_offered()

    assert (result.name, result.installed, result.detail) == ("windowsml", False, "Windows ML is a part of Windows")


def test_the_command_says_what_became_of_each_before_its_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")  # the rest of the doctor looks at this machine
    flags = ["--quick", "--port", "0", "--backend", "reference"]

    done = CliRunner().invoke(main, ["doctor", "--install-providers", *flags])
    offer(monkeypatch, {TENSORRT: EpReadyState.NotPresent}, failure=OSError(5, "Access is denied"))
    failed = CliRunner().invoke(main, ["doctor", "--install-providers", *flags])

    assert (done.exit_code, failed.exit_code) == (0, 1)
    assert f"{OPENVINO}: installed, version 1.8.63.0" in done.stderr
    assert f"{TENSORRT}: NOT installed, Windows cannot install it: [Errno 5] Access is denied" in failed.stderr
