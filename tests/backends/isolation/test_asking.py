"""A plugin that fails when it is asked or opened gives an answer or a typed error, whatever it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort_backends import BackendError, Declines, Missing, ModelError, OpenOptions
from jan_ort_backends.isolation import ask_accepts, ask_probe, open_session
from tests.backends.isolation.conftest import Plugins

FAULTS = {
    "raise ValueError('two\\nlines')": "ValueError: two lines",
    "sys.exit(3)": "SystemExit: 3",
    "time.sleep(3)": "it has not come back after 0.2 s",
    "return 'yes'": "'yes'",
    "return None": "None",
}


@pytest.mark.parametrize(("body", "reason"), FAULTS.items())
def test_a_faulty_probe_says_missing(plugins: Plugins, body: str, reason: str) -> None:
    plugins.install_backend("faulty", backend=f"def probe(self):\n    {body}")

    answer = ask_probe(plugins.load("faulty"), limit_s=0.2)

    assert isinstance(answer, Missing)
    assert reason in answer.reason
    assert "'faulty'" in answer.remedy


@pytest.mark.parametrize(("body", "reason"), FAULTS.items())
def test_faulty_acceptance_declines(plugins: Plugins, tmp_path: Path, body: str, reason: str) -> None:
    plugins.install_backend("faulty", backend=f"def accepts(self, model_dir):\n    {body}")

    answer = ask_accepts(plugins.load("faulty"), tmp_path, limit_s=0.2)

    assert isinstance(answer, Declines)
    assert reason in answer.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ZeroDivisionError", "failed to open .*: ZeroDivisionError"),
        ("sys.exit(1)", "failed to open .*: SystemExit: 1"),
        ("raise MemoryError", "has no memory"),
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


def test_typed_errors_pass_as_they_are(plugins: Plugins, tmp_path: Path) -> None:
    plugins.install_backend("full", backend="def open(self, model_dir, options):\n    raise OutOfMemory('8 GB')")

    with pytest.raises(BackendError) as caught:
        open_session(plugins.load("full"), tmp_path, OpenOptions())

    assert type(caught.value).__name__ == "OutOfMemory"
