"""A plugin that fails when it is asked or opened gives an answer or a typed error, whatever it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.plugins.asking import PluginFault, ask_accepts, diagnose_providers, install_providers, why_not_options
from jan_ort.plugins.guarded_session import open_session
from jan_ort.plugins.report import report_backend
from jan_ort_backends import (
    BackendError,
    ChecksOptions,
    Declines,
    DiagnosesProviders,
    InstalledProvider,
    ModelError,
    OpenOptions,
    ProviderTruth,
    discover,
)
from tests.backends.plugins import Plugins
from tests.wine import not_under_wine

FAULTS = {
    "raise ValueError('two\\nlines')": "ValueError: two lines",
    "sys.exit(3)": "SystemExit: 3",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "time.sleep(3)": "it has not returned after 0.2 s",
    "return 'yes'": "'yes'",
    "return None": "None",
    "raise ModelError('no driver')": "no driver",
    "return {no}": "its answer is wrong: reason is None: Input should be a valid string",
}
"""What a method may do that should answer one of two classes, the second with a text."""


@pytest.mark.parametrize(("body", "reason"), FAULTS.items())
def test_a_backend_whose_probe_is_faulty_is_not_usable(plugins: Plugins, body: str, reason: str) -> None:
    method = f"def probe(self):\n    {body.format(no='Missing(None, None)')}"
    plugins.install_backend("faulty", backend=method)

    report = report_backend(plugins.find("faulty"), limit_s=0.2)

    assert not report.usable
    assert reason in (report.reason or "")
    assert "jan-ort-faulty" in (report.remedy or "")


@pytest.mark.parametrize(("body", "reason"), FAULTS.items())
def test_faulty_acceptance_declines(plugins: Plugins, tmp_path: Path, body: str, reason: str) -> None:
    method = f"def accepts(self, model_dir):\n    {body.format(no='Declines(None)')}"
    plugins.install_backend("faulty", backend=method)

    answer = ask_accepts(plugins.load("faulty"), tmp_path, limit_s=0.2)

    assert isinstance(answer, Declines)
    assert reason in answer.reason


@pytest.mark.parametrize(("body", "reason"), [each for each in FAULTS.items() if not each[0].startswith("return")])
@pytest.mark.parametrize("is_property", [True, False])
def test_a_faulty_check_of_options_is_a_reason(plugins: Plugins, body: str, reason: str, is_property: bool) -> None:
    head = "@property\ndef check_options(self" if is_property else "def check_options(self, extra"
    plugins.install_backend("faulty", backend=f"{head}):\n    {body}")

    assert reason in (why_not_options(plugins.load("faulty"), {}, limit_s=0.2) or "")


@pytest.mark.parametrize(
    "is_file", [pytest.param(True, marks=not_under_wine("to list a file is 'path not found' there")), False]
)
def test_a_backend_that_expects_a_folder_declines_a_file_without_a_traceback(
    plugins: Plugins, tmp_path: Path, caplog: pytest.LogCaptureFixture, is_file: bool
) -> None:
    plugins.install_backend("lists", backend="def accepts(self, model_dir):\n    return next(model_dir.iterdir())")
    (tmp_path / "model.gguf").touch()

    answer = ask_accepts(plugins.load("lists"), tmp_path / "model.gguf" if is_file else tmp_path / "nowhere")

    assert isinstance(answer, Declines)
    assert "NotADirectoryError" in answer.reason if is_file else "FileNotFoundError" in answer.reason
    assert ("Traceback" in caplog.text) is not is_file


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ZeroDivisionError", "raised ZeroDivisionError in open of "),
        ("sys.exit(1)", "raised SystemExit in open of .*: 1"),
        ("raise MemoryError", "raised MemoryError in open of "),
    ],
)
def test_what_open_raises_is_a_model_error(plugins: Plugins, tmp_path: Path, body: str, reason: str) -> None:
    plugins.install_backend("faulty", backend=f"def open(self, model_dir, options):\n    {body}")

    with pytest.raises(ModelError, match=reason):
        open_session(plugins.load("faulty"), tmp_path, OpenOptions())


@pytest.mark.parametrize(
    ("session", "backend", "reason"),
    [
        ("", "def open(self, model_dir, options):\n    return 3", "opened a int"),
        ("fork = Session.fork", "", "declares fork without fork"),
        ("", "capabilities = frozenset({Capability.GENERATE})", "without the capability"),
    ],
)
def test_what_is_declared_and_what_is_there_must_agree(
    plugins: Plugins, tmp_path: Path, session: str, backend: str, reason: str
) -> None:
    plugins.install_backend("faulty", session=session, backend=backend)

    with pytest.raises(BackendError, match=reason):
        open_session(plugins.load("faulty"), tmp_path, OpenOptions())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("vocab_size=-5", "vocab_size is -5; it must be an int from 0"),
        ("context_length=128.0", "context_length is 128.0"),
        ("num_slots=True", "num_slots is True"),
        ("embedding_size=np.int64(32)", r"embedding_size is .*32.*: Input should be a valid integer"),
        ("context_length=0", "context_length is 0; it must be an int from 1"),
        ("num_slots=0", "num_slots is 0; it must be an int from 1"),
        ("weights_hash=None", "weights_hash is None"),
        ("device='cpu'", "device is 'cpu': Input should be an instance of DeviceReport"),
        ("device=DeviceReport('cpu', None)", "device.used is None: Input should be a valid string"),
        ("device=DeviceReport('cpu', 'cpu', nodes=3)", "device.nodes is 3: Input should be a valid dictionary"),
        (
            "device=DeviceReport('cpu', 'cpu', nodes={'cpu': 'all'})",
            "device.nodes.cpu is 'all': Input should be a valid integer",
        ),
    ],
)
def test_a_session_whose_info_cannot_be_true_is_refused_and_closed(
    plugins: Plugins, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, reason: str
) -> None:
    session = (
        "def __init__(self, *sizes):\n    super().__init__(*sizes)\n"
        f"    self.info = replace(self.info, {change})\n"
        "def close(self):\n    print('closed')"
    )
    plugins.install_backend("faulty", session=session)

    with pytest.raises(BackendError, match=reason):
        open_session(plugins.load("faulty"), tmp_path, OpenOptions())

    assert capsys.readouterr().out == "closed\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return 3", "is 3, which is not an instance of SessionInfo"),
        ("raise OSError('gone')", "raised OSError in a session's info: gone"),
        ("sys.exit(1)", "raised SystemExit in a session's info: 1"),
    ],
)
def test_an_info_that_is_none_or_fails_is_refused(plugins: Plugins, tmp_path: Path, body: str, reason: str) -> None:
    session = f"@property\ndef info(self):\n    {body}\n@info.setter\ndef info(self, given):\n    pass"
    plugins.install_backend("faulty", session=session)

    with pytest.raises(BackendError, match=reason):
        open_session(plugins.load("faulty"), tmp_path, OpenOptions())


def test_typed_errors_pass_as_they_are(plugins: Plugins, tmp_path: Path) -> None:
    plugins.install_backend("full", backend="def open(self, model_dir, options):\n    raise OutOfMemory('8 GB')")

    with pytest.raises(BackendError) as caught:
        open_session(plugins.load("full"), tmp_path, OpenOptions())

    assert type(caught.value).__name__ == "OutOfMemory"


PLAIN = """
from jan_ort_backends import Accepts, Available, InstalledProvider, ModelError, ProviderTruth

name, abi, capabilities, builtin_models = "module", "1.0", frozenset({"embed"}), {}
probe, accepts, open = Available, Accepts, print
"""
"""A module that is a backend, with all that it must have and no more."""

ABLE = """
def check_options(extra):
    raise ModelError(f"unknown option {list(extra)}")

def diagnose_providers():
    yield ProviderTruth("npu", True, False, "no driver")

def install_providers():
    yield InstalledProvider("npu", True, "version 1")
"""
"""What a backend may have besides."""


def test_what_a_backend_may_have_besides_is_asked(plugins: Plugins) -> None:
    plugins.install("module", PLAIN + ABLE, entries="module = jan_ort_module")
    backend = plugins.load("module")

    assert (isinstance(backend, ChecksOptions), isinstance(backend, DiagnosesProviders)) == (True, True)
    assert why_not_options(backend, {"spin": "1"}) == "unknown option ['spin']"
    assert diagnose_providers(backend) == (ProviderTruth("npu", True, False, "no driver"),)
    assert install_providers(backend) == (InstalledProvider("npu", True, "version 1"),)


def test_a_backend_with_no_more_than_it_must_have_takes_every_option_and_tells_no_providers(plugins: Plugins) -> None:
    plugins.install("module", PLAIN, entries="module = jan_ort_module")
    backend = plugins.load("module")

    assert (isinstance(backend, ChecksOptions), isinstance(backend, DiagnosesProviders)) == (False, False)
    assert why_not_options(backend, {"spin": "1"}) is None
    assert diagnose_providers(backend) == ()
    assert install_providers(backend) == ()


@pytest.mark.parametrize(
    ("body", "fault"), [("time.sleep(3)", "has not returned after 0.2 s"), ("return [3]", "an installation is 3")]
)
def test_an_installation_that_hangs_or_tells_nonsense_is_the_plugins_fault(
    plugins: Plugins, body: str, fault: str
) -> None:
    code = f"\n\ndef install_providers():\n    import time\n    {body}\n"
    plugins.install("module", PLAIN + code, entries="module = jan_ort_module")

    with pytest.raises(PluginFault, match=fault):
        install_providers(plugins.load("module"), 0.2)


def test_our_own_backends_have_what_they_may_have_besides() -> None:
    onnxruntime, reference = (row.backend for row in discover() if row.distribution == "jan-ort")

    assert isinstance(onnxruntime, ChecksOptions)
    assert isinstance(onnxruntime, DiagnosesProviders)
    assert isinstance(reference, ChecksOptions)
