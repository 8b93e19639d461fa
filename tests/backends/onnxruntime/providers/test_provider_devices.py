"""Provider libraries that are installed: which are registered, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.providers.provider_devices import look_around
from tests.backends.onnxruntime.providers import fake_onnxruntime as fake
from tests.backends.onnxruntime.providers.fake_onnxruntime import FakeRuntime
from tests.backends.onnxruntime.providers.opened import opened


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
