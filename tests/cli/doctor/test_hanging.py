"""The doctor comes back from a backend that hangs, says so of the model, and looks at the next one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from jan_ort.cli.doctor.examination import examine_all
from jan_ort.engine.engine import Engine
from jan_ort_backends.reference import ReferenceBackend
from tests.backends.plugins import Plugins, plugin_folder

FOLDER = ReferenceBackend.builtin_models["reference"]
HANGS = "threading.Event().wait()"


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Plugins]:
    with plugin_folder(tmp_path) as plugins:
        yield plugins


@pytest.mark.parametrize("task", ["model", "embedding_model"])
@pytest.mark.parametrize("doing", ["open", "close"])
def test_a_backend_that_hangs_is_the_problem_of_its_model(
    plugins: Plugins, task: str, doing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Engine.close, "__defaults__", (0.01,))  # it may come back before the session is closed
    opening = f"def open(self, model_dir, options):\n    {HANGS}" if doing == "open" else ""
    plugins.install_backend("stuck", session=f"def close(self):\n    {HANGS}", backend=opening)
    caplog.set_level(logging.INFO, "jan_ort.cli.doctor")

    report = examine_all({task: ("stuck-model",), "backend": "stuck", "port": 0}, open_limit_s=2.0)

    (problem,) = report.problems
    assert problem.message.startswith(f"backend 'stuck' failed to {doing} {FOLDER}: it has not returned after 2 s; ")
    assert [model.device for model in report.models] == [None]
    assert f"opening {FOLDER} with backend stuck; given up after 2 s" in caplog.text


def test_the_other_models_are_opened_all_the_same(plugins: Plugins, tmp_path: Path) -> None:
    body = f"if (model_dir / 'stuck').exists():\n        {HANGS}\n    return super().open(model_dir, options)"
    plugins.install_backend("partly", backend=f"def open(self, model_dir, options):\n    {body}")
    stuck = tmp_path / "other"
    stuck.mkdir()
    for file in FOLDER.iterdir():
        (stuck / file.name).write_bytes(file.read_bytes())
    (stuck / "stuck").touch()

    report = examine_all(
        {"model": (str(stuck),), "embedding_model": ("partly-model",), "backend": "partly", "port": 0}, open_limit_s=2.0
    )

    assert [model.device is not None for model in report.models] == [False, True]
    assert len(report.problems) == 1
