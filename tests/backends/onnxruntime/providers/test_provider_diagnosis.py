"""The diagnosis says which providers work, and why the others do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort_onnxruntime.providers.provider_diagnosis import diagnose
from tests.backends.onnxruntime.providers import fake_onnxruntime as fake
from tests.backends.onnxruntime.providers.conftest import SOUND, install
from tests.backends.onnxruntime.providers.fake_onnxruntime import FakeRuntime


@pytest.mark.usefixtures("plugins")
def test_a_registered_library_without_a_device_is_not_usable() -> None:
    truths = {truth.name: truth for truth in diagnose(FakeRuntime())}

    sound = truths["onnxruntime-ep-sound"]
    assert (sound.registered, sound.usable) == (True, False)
    assert "offers no device" in sound.detail
    assert truths["onnxruntime-ep-broken-cu13"].registered is False


@pytest.mark.usefixtures("sound")
def test_a_library_that_is_installed_is_not_to_be_installed_again(tmp_path: Path) -> None:
    install(tmp_path, "onnxruntime-ep-openvino", "onnxruntime_ep_openvino", SOUND)  # as on a processor of another maker

    truths = {truth.name: truth for truth in diagnose(FakeRuntime())}

    assert "offers no device here" in truths["onnxruntime-ep-openvino"].detail
    assert "openvino" not in truths
    assert truths["webgpu"].remedy == "pip install onnxruntime-ep-webgpu"


def test_the_diagnosis_runs_a_graph_on_each_provider() -> None:
    runtime = FakeRuntime([fake.DML, fake.CUDA, fake.CPU], left_out=[fake.CUDA], on_provider={fake.DML: 0})

    truths = {truth.name: truth for truth in diagnose(runtime)}

    assert truths["cpu"].usable
    assert (truths["cuda"].registered, truths["cuda"].usable) == (True, False)
    assert truths["dml"].detail == "its node ran on CPUExecutionProvider"
    assert {truth.name for truth in diagnose() if truth.usable} >= {"cpu"}
