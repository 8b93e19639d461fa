"""A library that hangs or crashes when it is registered does so in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from jan_ort_onnxruntime.providers import plugin_libraries, plugin_trial
from jan_ort_onnxruntime.providers.plugin_trial import try_out
from jan_ort_onnxruntime.providers.provider_devices import look_around
from tests.backends.onnxruntime.providers import fake_onnxruntime as fake
from tests.backends.onnxruntime.providers.conftest import install
from tests.backends.onnxruntime.providers.fake_onnxruntime import FakeRuntime

HANGING = """
#include <unistd.h>
int CreateEpFactories(void) { sleep(600); return 0; }
int ReleaseEpFactory(void) { return 0; }
"""


def package(folder: Path, name: str, code: str) -> dict[str, str]:
    install(folder, f"onnxruntime-ep-{name}", f"onnxruntime_ep_{name}", f"{code}\ndef get_ep_name(): ...")
    return {f"onnxruntime-ep-{name}": f"onnxruntime_ep_{name}"}


def test_what_hangs_is_given_up_and_what_raises_is_left_to_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    raising = package(tmp_path, "raising", "raise SystemExit(7)")
    crashing = package(tmp_path, "crashing", "import os; os._exit(66)")
    monkeypatch.setattr(plugin_trial, "LIMIT_S", 240)  # an interpreter under Wine takes half a minute
    assert try_out(raising | crashing) == {
        "onnxruntime-ep-crashing": "it ended a process that tried to, with status 66"
    }
    monkeypatch.setattr(plugin_trial, "LIMIT_S", 0.5)

    faults = try_out(package(tmp_path, "hanging", "import time; time.sleep(600)"))

    assert faults == {"onnxruntime-ep-hanging": "it has not returned after 0.5 s"}


def test_native_code_that_holds_the_interpreters_lock_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("needs a C compiler")
    (tmp_path / "hang.c").write_text(HANGING)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "hang.so", tmp_path / "hang.c"], check=True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugin_trial, "LIMIT_S", 8)

    faults = try_out(
        package(tmp_path, "native", f"library_path = lambda: {str(tmp_path / 'hang.so')!r}\nEP_NAME = 'E'")
    )

    assert faults == {"onnxruntime-ep-native": "it has not returned after 8 s"}


CATALOGUE = """
import os, time
from tests.backends.onnxruntime.providers.fake_windowsml import *

class Crashing(ExecutionProvider):
    def ensure_ready(self):
        os._exit(66)

class Hanging(ExecutionProvider):
    def ensure_ready(self):
        time.sleep(600)

class EpCatalog(EpCatalog):
    offered = [Crashing("Crashing"), Hanging("Hanging"), ExecutionProvider("Raising")]

    def __del__(self):
        os._exit(67)

ExecutionProvider.states = dict.fromkeys(["Crashing", "Hanging", "Raising"], EpReadyState.NotReady)
"""


def test_so_are_windows_providers_whose_catalogue_is_never_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "windowsml.py").write_text(CATALOGUE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugin_trial, "LIMIT_S", 240)
    assert try_out({key: key for key in ("windowsml Crashing", "windowsml Raising")}) == {
        "windowsml Crashing": "it ended a process that tried to, with status 66"
    }
    monkeypatch.setattr(plugin_trial, "LIMIT_S", 0.5)

    assert try_out({"windowsml Hanging": "windowsml Hanging"}) == {
        "windowsml Hanging": "it has not returned after 0.5 s"
    }


@pytest.mark.usefixtures("sound")
def test_the_others_are_used_and_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "hanging", "import time; time.sleep(600)")
    said = {"onnxruntime-ep-hanging": "it has not returned after 20 s"}
    monkeypatch.setattr(plugin_trial, "try_out", lambda packages: said)
    runtime = FakeRuntime(brings={"sound": [fake.ep_device("SoundExecutionProvider", "GPU")]})

    machine = look_around(runtime)

    assert [candidate.provider.name for candidate in machine.candidates] == ["sound", "cpu"]
    assert (
        "after 20 s; repair or uninstall onnxruntime-ep-hanging, or choose the option provider=cpu"
        in (machine.missing["onnxruntime-ep-hanging"])
    )
    assert "onnxruntime-ep-hanging" in plugin_libraries._registrations
