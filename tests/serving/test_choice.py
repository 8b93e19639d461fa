"""Which models are served, from what is configured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.progress import silent
from jan_ort.ground.task import EMBED, GENERATE, TASKS, Task
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.cache.model_cache import ModelCache
from jan_ort.models.folder import ModelFolder
from jan_ort.models.sources.hub import HubSource
from jan_ort.models.sources.hub_files import HubId
from jan_ort.plugins.choice import NoBackendError
from jan_ort.serving.choice import check_settings, choose_models
from jan_ort.serving.loading import ModelLoader
from jan_ort.settings.schema import Settings
from jan_ort_backends import Discovered, discover
from jan_ort_backends.reference import ReferenceBackend

DEFAULTS = [(GENERATE, "smollm2-135m-instruct"), (EMBED, "all-minilm-l6-v2")]


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"JAN_ORT_{name.upper()}", raising=False)


@pytest.fixture(scope="module")
def discovered() -> tuple[Discovered, ...]:
    return discover()


@pytest.mark.parametrize(
    ("given", "models"),
    [
        ({}, DEFAULTS),
        ({"model": "o/m"}, [(GENERATE, "o/m")]),
        ({"embedding_model": "o/e"}, [(EMBED, "o/e")]),
        ({"model": "o/m", "embedding_model": "o/e"}, [(GENERATE, "o/m"), (EMBED, "o/e")]),
        ({"model": "o/m, o/n"}, [(GENERATE, "o/m"), (GENERATE, "o/n")]),
        ({"model": ["o/m", "o/m"]}, [(GENERATE, "o/m")]),
        ({"model": ["all-minilm-l6-v2", "o/m"]}, [(GENERATE, "o/m"), (EMBED, "all-minilm-l6-v2")]),
        ({"backend": "onnxruntime"}, DEFAULTS),
        ({"backend": "reference"}, [(GENERATE, "reference"), (EMBED, "reference")]),
        ({"backend": "reference", "model": "o/m"}, [(GENERATE, "o/m")]),
    ],
)
def test_defaults_are_served_only_if_no_model_is_named(
    discovered: tuple[Discovered, ...], tmp_path: Path, given: dict[str, object], models: list[tuple[str, str]]
) -> None:
    chosen = choose_models(Settings.read(**given, cache_dir=tmp_path), discovered)

    assert [(choice.task, choice.reference) for choice in chosen] == models


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_repository_is_served_for_what_it_was_pulled_for(
    discovered: tuple[Discovered, ...], tmp_path: Path, task: Task
) -> None:
    key = CacheKey("m", HubSource(HubId("o/m")).identity(task), "float32")
    ModelCache(tmp_path).get_or_build(key, lambda work, target: (target / "model.onnx").touch())

    (choice,) = choose_models(Settings.read(model="o/m", cache_dir=tmp_path), discovered)

    assert (choice.task, choice.reference, choice.source) == (task, "o/m", HubSource(HubId("o/m")))


def test_a_model_that_cannot_be_right_is_refused_before_anything_starts() -> None:
    with pytest.raises(ModelReferenceError, match=r"smolm2.*did you mean 'smollm2-135m-instruct'"):
        check_settings(Settings.read(model="smolm2-135m-instruct"))


def test_an_allowed_backend_that_is_not_installed_is_refused_with_those_that_are() -> None:
    settings = Settings.read(backend="reference", allow_backend="reference,onnxruntme")

    with pytest.raises(NoBackendError, match=r"--allow-backend .* 'onnxruntme'.*did you mean 'onnx.*installed: .*onnx"):
        check_settings(settings)


def test_a_denied_backend_need_not_be_installed() -> None:
    settings = Settings.read(backend="reference", deny_backend="onnxruntme")

    assert "onnxruntme" not in {each.name for each in check_settings(settings).discovered}


@pytest.mark.parametrize("lists", [{"deny_backend": "reference"}, {"allow_backend": "onnxruntime"}])
def test_a_backend_that_is_asked_for_and_excluded_is_refused_with_the_flag(lists: dict[str, str]) -> None:
    settings = Settings.read(backend="reference", **lists)

    with pytest.raises(NoBackendError, match=f"'reference' cannot be used: .*--{next(iter(lists)).replace('_', '-')}"):
        check_settings(settings)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("nosuch=1", "onnxruntime: unknown option 'nosuch' of the backend; there are: .*provider"),
        ("strict=maybe", "onnxruntime: option strict is 'maybe'"),
    ],
)
def test_an_option_that_no_backend_takes_is_refused_before_anything_is_fetched(
    tmp_path: Path, option: str, reason: str
) -> None:
    settings = Settings.read(backend_option=option, cache_dir=tmp_path)

    with pytest.raises(NoBackendError, match=rf"--backend-option .*: {reason}.*reference: unknown option"):
        check_settings(settings)


def test_a_model_that_no_allowed_backend_takes_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = ReferenceBackend.builtin_models["reference"]
    given = {"model": str(folder), "deny_backend": "reference"}

    with pytest.raises(NoBackendError, match=r"no backend can open .*reference: excluded by the deny list"):
        check_settings(Settings.read(**given))
    assert check_settings(Settings.read(**given, load="request")).choices


@pytest.mark.parametrize("kind", ["folder", "cached name", "hub"])
@pytest.mark.parametrize("load", ["start", "request"])
def test_a_folder_is_read_once_from_the_settings_to_what_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, load: str
) -> None:
    key = CacheKey("m", HubSource(HubId("o/m")).identity(GENERATE), "int8")
    own = ReferenceBackend.builtin_models["reference"]
    folder = ModelCache(tmp_path).get_or_build(
        key, lambda work, target: shutil.copytree(own, target, dirs_exist_ok=True)
    )
    named = {"folder": str(folder), "cached name": "m", "hub": "o/m"}[kind]
    settings = Settings.read(model=named, backend="reference", cache_dir=tmp_path, load=load)
    read, paths = ModelFolder.read, []
    monkeypatch.setattr(ModelFolder, "read", lambda path: paths.append(path) or read(path))

    discovered, (choice,) = check_settings(settings)
    found = ModelLoader(settings, discovered, lambda *events: None, lambda: False).find(choice, silent)

    assert found.folder.path == folder
    assert paths == [folder]


def test_a_model_that_is_there_is_given_with_the_backend_that_takes_it(tmp_path: Path) -> None:
    folder = ReferenceBackend.builtin_models["reference"]

    here = check_settings(Settings.read(model=str(folder), cache_dir=tmp_path)).choices[0]
    absent = check_settings(Settings.read(model="o/m", cache_dir=tmp_path)).choices[0]

    assert here.found is not None
    assert (here.found.folder.path, here.found.backend.name, absent.found) == (folder, "reference", None)
