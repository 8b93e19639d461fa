"""What the doctor finds, and whether it says that a server could start."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from jan_ort.cli.commands.doctor import doctor
from jan_ort.cli.doctor.backends import examine
from jan_ort.cli.doctor.examination import examine_all
from jan_ort.cli.doctor.rendering import render
from jan_ort.cli.doctor.report import DoctorReport
from jan_ort_backends import ABI, discover
from jan_ort_backends.reference import ReferenceBackend
from tests.backends.plugins import Plugins, plugin_folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_CACHE_DIR", str(tmp_path / "cache"))


def examined(**flags: object) -> DoctorReport:
    return examine_all({"port": 0, "backend": "reference"} | flags)


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Plugins]:
    with plugin_folder(tmp_path) as plugins:
        yield plugins


def test_a_sound_installation_can_start() -> None:
    report = examined()

    assert report.can_start
    assert report.versions["backend interface"] == ABI
    assert report.platform.cpus >= 1
    assert report.platform.memory_bytes > 2**28
    assert {each.plugin.name for each in report.backends if each.plugin.usable} >= {"reference", "onnxruntime"}
    assert "A server can start with these settings." in render(report)


def test_the_models_are_opened_and_say_where_they_ran() -> None:
    report = examined()

    assert [(model.task, model.state, model.backend) for model in report.models] == [
        ("generate", "local", "reference"),
        ("embed", "local", "reference"),
    ]
    assert {model.device.used for model in report.models if model.device is not None} == {"cpu"}
    assert all(model.device is None for model in examine_all({"port": 0, "backend": "reference"}, quick=True).models)


def test_default_models_that_are_not_cached_are_to_be_fetched() -> None:
    report = examine_all({"port": 0})

    assert [model.state for model in report.models] == ["to be fetched", "to be fetched"]
    assert report.cache is not None
    assert (report.cache.num_models, report.cache.writable) == (0, True)
    assert report.can_start


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_cache_that_cannot_be_made_is_a_problem(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()

    report = examine_all({"port": 0, "cache_dir": tmp_path / place})

    assert [problem.message for problem in report.problems] == [f"{tmp_path / place} is not writable"]


def test_a_disk_too_small_for_what_is_to_be_fetched_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=400_000_000))

    both, one = examine_all({"port": 0}), examine_all({"port": 0, "model": ("smollm2-135m-instruct",)})

    (problem,) = both.problems
    assert "400 MB free, and 550 MB are needed for smollm2-135m-instruct, all-minilm-l6-v2" in problem.message
    assert one.can_start


def test_the_providers_of_the_default_backend_are_tried() -> None:
    report = examined()

    (truth,) = [each for each in report.backends if each.plugin.name == "onnxruntime"]
    providers = {provider.name: provider for provider in truth.providers}
    assert (providers["cpu"].registered, providers["cpu"].usable) == (True, True)
    assert providers["dml"].registered is (sys.platform == "win32"), "its flavour comes with jan-ort there"
    assert providers["dml"].registered or "onnxruntime-windowsml" in providers["dml"].remedy


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"backend": "refrence"}, "did you mean 'reference'?"),
        ({"allow_backend": ("reference", "refrence")}, "'refrence' is installed; did you mean 'reference'?"),
        ({"deny_backend": ("reference",)}, "remove 'reference' from --deny-backend"),
        ({"model": ("no-such-model",)}, "no-such-model"),
        ({"num_slots": "many"}, "--num-slots"),
        ({"host": "0.0.0.0"}, "--api-key"),
        ({"backend_option": ("provider=cuda",)}, "unknown option 'provider'"),
        ({"backend_option": ("strict",)}, "'strict' is not NAME=VALUE"),
    ],
)
def test_what_keeps_a_server_from_starting_is_a_problem(flags: Mapping[str, Any], message: str) -> None:
    report = examined(**flags)

    assert not report.can_start
    assert any(message in problem.message for problem in report.problems)
    assert message in render(report)


def test_a_port_that_is_taken_is_a_problem() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        report = examined(port=taken.getsockname()[1])

    assert [problem.message for problem in report.problems if "cannot listen" in problem.message] != []


def test_a_port_for_metrics_that_is_taken_is_a_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        report = examined(metrics_port=taken.getsockname()[1])

    assert [problem.message for problem in report.problems if "choose another --metrics-host" in problem.message] != []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ('raise RuntimeError("no licence")', "no licence"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("backend = 7", "is not a backend"),
    ],
)
def test_a_broken_plugin_is_named_with_its_remedy_and_hinders_nothing(code: str, reason: str, plugins: Plugins) -> None:
    plugins.install("other", code, distribution="other-plugin", version="2.5")

    report = examined()

    (truth,) = [each for each in report.backends if each.plugin.name == "other"]
    assert (truth.plugin.distribution, truth.plugin.version, truth.plugin.usable) == ("other-plugin", "2.5", False)
    assert reason in str(truth.plugin.reason)
    assert report.can_start
    for part in ("backend other (other-plugin 2.5): NOT usable", f"remedy: {truth.plugin.remedy}"):
        assert part in render(report)
    assert all(f"  | {line}" in render(report) for line in (truth.plugin.traceback or "").splitlines())


def test_a_backend_that_fails_to_examine_its_providers_is_shown_with_the_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def diagnose_providers(self: ReferenceBackend) -> None:
        raise SystemExit("driver gone")

    monkeypatch.setattr(ReferenceBackend, "diagnose_providers", diagnose_providers, raising=False)

    shown = render(examined())

    assert "its providers could not be examined: SystemExit: driver gone" in shown
    assert "  | Traceback (most recent call last):" in shown


@pytest.mark.parametrize("method", ["probe", "diagnose_providers"])
def test_a_plugin_that_hangs_is_given_up_and_the_others_are_examined(plugins: Plugins, method: str) -> None:
    plugins.install_backend("hangs", backend=f"def {method}(self):\n    time.sleep(30)")

    truths = {each.plugin.name: each for each in examine(discover(), probe_limit_s=0.2, diagnosis_limit_s=5)}

    reason = "it has not returned after"
    assert reason in f"{truths['hangs'].plugin.reason} {truths['hangs'].error}"
    assert truths["onnxruntime"].plugin.usable
    assert truths["onnxruntime"].providers


def test_a_backend_whose_probe_fails_is_asked_once_and_keeps_a_server_from_starting(
    plugins: Plugins, capfd: pytest.CaptureFixture[str]
) -> None:
    plugins.install_backend(
        "broken", backend="def probe(self):\n    os.write(1, b'asked')\n    raise OSError('no driver')"
    )

    report = examined(backend="broken")

    assert any("no driver" in problem.message for problem in report.problems)
    assert capfd.readouterr().out == "asked"


def test_providers_that_are_none_are_the_plugins_fault(plugins: Plugins) -> None:
    plugins.install_backend("odd", backend="def diagnose_providers(self):\n    return [3]")

    shown = render(examined())

    assert "its providers could not be examined: what it says of a provider is 3, which is not an instance of" in shown


@pytest.mark.parametrize(("flags", "status"), [([], 0), (["--num-slots", "0"], 1)])
def test_the_exit_status_says_whether_a_server_could_start(flags: list[str], status: int) -> None:
    answer = CliRunner().invoke(doctor, ["--json", "--quick", "--port", "0", "--backend", "reference", *flags])

    report = json.loads(answer.stdout)
    assert answer.exit_code == status
    assert report["can_start"] is (status == 0)
    if status == 0:
        assert {"name": "port", "value": 0, "origin": "--port"} in report["settings"]
