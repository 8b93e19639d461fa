"""The fake onnxruntime has the installed one's names and parameters, so that what passes on it is worth something."""

from __future__ import annotations

import inspect
from typing import Any

import onnxruntime as real
import pytest

from tests.backends.onnxruntime.providers.fake_onnxruntime import (
    EpDevice,
    FakeRuntime,
    FakeSession,
    HardwareDevice,
    SessionOptions,
    Subgraph,
)


def parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


@pytest.mark.parametrize("name", ["run", "run_with_iobinding", "get_providers", "get_provider_graph_assignment_info"])
def test_a_session_has_the_real_one_s_methods(name: str) -> None:
    theirs, ours = (parameters(getattr(kind, name)) for kind in (real.InferenceSession, FakeSession))

    assert ours == theirs[: len(ours)]


def test_a_session_is_made_with_the_real_one_s_parameters() -> None:
    assert parameters(FakeRuntime.InferenceSession) == parameters(real.InferenceSession.__init__)
    assert parameters(FakeRuntime.preload_dlls) == parameters(real.preload_dlls)


def test_every_name_of_the_module_is_the_real_one_s() -> None:
    runtime = FakeRuntime()
    own = {"available", "brings", "on_provider", "left_out", "failing", "sessions", "libraries", "num_preloads"}

    for name in {*vars(runtime), *vars(FakeRuntime)} - own:
        if not name.startswith("_"):
            assert hasattr(real, name), name


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (EpDevice, real.OrtEpDevice),
        (HardwareDevice, real.OrtHardwareDevice),
        (Subgraph, real.OrtEpAssignedSubgraph),
        (SessionOptions, real.SessionOptions),
    ],
)
def test_the_fields_are_the_real_ones(ours: type, theirs: type) -> None:
    own = {"entries", "devices", "num_nodes"}
    names = {*getattr(ours, "__dataclass_fields__", {}), *(name for name in vars(ours) if not name.startswith("_"))}
    if ours is SessionOptions:
        names |= set(vars(SessionOptions()))

    assert [name for name in names - own if not hasattr(theirs, name)] == []


def test_the_real_devices_have_the_kinds_that_the_order_asks_for() -> None:
    (cpu, *_) = real.get_ep_devices()

    assert cpu.ep_name == "CPUExecutionProvider"
    assert cpu.device.type.name == "CPU"
    assert {kind.name for kind in (real.OrtHardwareDeviceType.GPU, real.OrtHardwareDeviceType.NPU)} == {"GPU", "NPU"}
