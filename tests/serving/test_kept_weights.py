"""Whoever asks for a scheme of weights that a folder does not have is told so."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from jan_ort.ground.task import EMBED, GENERATE, RERANK, Task
from jan_ort.models.folder_files import MANIFEST
from jan_ort.models.sources.folder import FolderSource
from jan_ort.models.sources.gguf import GgufSource
from jan_ort.serving.choice import ModelChoice, check_settings
from jan_ort.serving.kept_weights import warn_of_kept_weights
from jan_ort.settings.schema import Settings
from jan_ort_backends.reference import ReferenceBackend


@pytest.fixture(autouse=True)
def no_weights_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEIGHTS", "EMBEDDING_WEIGHTS"):
        monkeypatch.delenv(f"JAN_ORT_{name}", raising=False)


@pytest.mark.parametrize(
    ("task", "given", "kept", "warning"),
    [
        (EMBED, {"embedding_weights": "int8"}, None, "--embedding-weights int8 is for GGUF files"),
        (RERANK, {"embedding_weights": "int8"}, "float32", "--embedding-weights int8 is for GGUF files"),
        (EMBED, {"embedding_weights": "int8"}, "int8", ""),
        (EMBED, {"weights": "int4"}, None, ""),
        (EMBED, {}, None, ""),
        (GENERATE, {"weights": "int4"}, None, "--weights int4 is for GGUF files"),
        (GENERATE, {"weights": "as-is"}, None, ""),
        (GENERATE, {"weights": "int4"}, "int4", ""),
        (GENERATE, {}, "int4", ""),
    ],
)
def test_a_folder_that_has_other_weights_is_named(
    tmp_path: Path, task: Task, given: dict[str, str], kept: str | None, warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    if kept is not None:
        (tmp_path / MANIFEST).write_text(json.dumps({"weights": kept}))
    settings, source = Settings.read(**given), FolderSource(tmp_path)

    with caplog.at_level(logging.WARNING):
        warn_of_kept_weights(source, ModelChoice(task, "m", source).wanted(settings), settings)

    assert bool(caplog.text) == bool(warning)
    assert warning in caplog.text


def test_what_is_converted_gets_what_was_asked_for(tmp_path: Path) -> None:
    assert not GgufSource(tmp_path / "m.gguf").ignores("int4")


def test_the_settings_of_a_server_are_checked_for_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "m"
    shutil.copytree(ReferenceBackend.builtin_models["reference"], folder)

    with caplog.at_level(logging.WARNING):
        check_settings(Settings.read(model=str(folder), weights="int4", cache_dir=tmp_path))

    assert f"the weights of {folder} stay as they are: --weights int4" in caplog.text
