"""Each model may name what it is computed on: ``NAME@provider``, in every place where a model is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jan_ort.cli.doctor.examination import examine_all
from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.sources import split_provider
from jan_ort.models.sources.base import Known
from jan_ort.plugins.choice import NoBackendError
from jan_ort.serving.choice import check_settings
from jan_ort.settings.schema import Settings
from tests.backends.onnxruntime.layout_folders import FIXTURES, write_embedding_folder, write_folder
from tests.http.handlers.serving import COMPLETIONS, complete, post, serving
from tests.serving.several import change, copied, listed


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"JAN_ORT_{name.upper()}", raising=False)


@pytest.mark.parametrize(
    ("text", "name", "provider"),
    [
        ("smollm2-135m-instruct", "smollm2-135m-instruct", None),
        ("smollm2-135m-instruct@cuda", "smollm2-135m-instruct", "cuda"),
        ("org/m:Q8_0@openvino.gpu", "org/m:Q8_0", "openvino.gpu"),
        ("org/m/a-file.gguf@webgpu", "org/m/a-file.gguf", "webgpu"),
        ("org/m@main", "org/m", "main"),
        ("m@v2@cuda", "m@v2", "cuda"),
        ("./me@home/m.gguf", "./me@home/m.gguf", None),
        ("C:\\me@home\\m.gguf", "C:\\me@home\\m.gguf", None),
        ("@cuda", "@cuda", None),
        ("m@", "m", ""),
    ],
)
def test_a_provider_follows_the_last_at_sign(text: str, name: str, provider: str | None) -> None:
    assert split_provider(text, Known()) == (name, provider)


def test_a_folder_with_an_at_sign_in_its_name_is_that_folder(tmp_path: Path) -> None:
    folder = copied(tmp_path, "ada@cuda")

    assert split_provider(folder, Known()) == (folder, None)
    assert split_provider(f"{folder}@cpu", Known()) == (folder, "cpu")


def test_a_builtin_models_name_may_have_an_at_sign(tmp_path: Path) -> None:
    known = Known({"ada@2": tmp_path})

    assert split_provider("ada@2", known) == ("ada@2", None)
    assert split_provider("ada@2@cpu", known) == ("ada@2", "cpu")


@pytest.mark.parametrize("load", ["start", "request"])
@pytest.mark.parametrize("reference", ["smollm2-135m-instruct@nosuch", "org/m@nosuch"])
def test_a_provider_that_is_not_there_is_refused_before_anything_is_fetched(
    tmp_path: Path, reference: str, load: str
) -> None:
    settings = Settings.read(model=reference, load=load, cache_dir=tmp_path)

    with pytest.raises(NoBackendError, match=rf"'{reference}' .*provider 'nosuch': onnxruntime: .*auto, (.*, )?cpu"):
        check_settings(settings)


def test_a_backend_without_providers_says_so() -> None:
    with pytest.raises(NoBackendError, match=r"'reference@cpu' .*'cpu': reference: unknown option 'provider'"):
        check_settings(Settings.read(model="reference@cpu", backend="reference"))


def test_a_misspelt_model_is_named_without_its_provider() -> None:
    with pytest.raises(
        ModelReferenceError, match=r"unknown model 'smolm2-135m-instruct': did you mean .*'smolm2.*@cpu"
    ):
        check_settings(Settings.read(model="smolm2-135m-instruct@cpu"))


def test_a_models_own_provider_counts_before_that_of_all(tmp_path: Path) -> None:
    config = tmp_path / "jan-ort.toml"
    config.write_text('model = ["org/m@cpu", "org/n"]\nbackend_option = ["provider=auto", "onnxruntime:provider=auto"]')
    settings = Settings.read(config=str(config), cache_dir=tmp_path)

    choices = check_settings(settings).choices

    options = [choice.own(settings).options_of("onnxruntime") for choice in choices]
    assert options == [{"provider": "cpu"}, {"provider": "auto"}]


async def test_each_model_says_where_it_was_asked_to_run(tmp_path: Path) -> None:
    folder = write_folder("optimum", "llama", tmp_path / "chat")
    encoder = write_embedding_folder(tmp_path / "encoder")
    shutil.copy(FIXTURES / "tokenizer_config.json", encoder)

    async with serving(backend="onnxruntime", model=f"{folder}@cpu", embedding_model=str(encoder)) as app:
        models = await listed(app.test_client())

    assert {name: (each["provider"], each["device"]["requested"]) for name, each in models.items()} == {
        "chat": ("cpu", "cpu"),
        "encoder": (None, "auto"),
    }


async def test_one_model_on_two_providers_is_two_models(tmp_path: Path) -> None:
    folder = write_folder("optimum", "llama", tmp_path / "chat")

    async with serving(backend="onnxruntime", model=[f"{folder}@cpu", f"{folder}@auto"]) as app:
        client = app.test_client()
        models = await listed(client)
        answers = [await complete(client, model=name, max_tokens=1) for name in (*models, str(folder))]
        status, error = await post(client, COMPLETIONS, {"prompt": "a", "model": "chat"})
        changed = await change(client, "/models/unload", "chat@auto")

    assert {name: each["device"]["requested"] for name, each in models.items()} == {
        "chat@cpu": "cpu",
        "chat@auto": "auto",
    }
    assert [each["model"] for each in answers] == ["chat@cpu", "chat@auto", "chat@cpu"]
    assert (status, changed) == (404, {"chat@auto": "unloaded"})
    assert "'chat@cpu', 'chat@auto'" in error["error"]["message"]


def test_the_doctor_says_where_each_model_runs(tmp_path: Path) -> None:
    folder = write_folder("optimum", "llama", tmp_path / "chat")
    flags = {"model": (f"{folder}@cpu", f"{folder}@auto", f"{folder}@nosuch"), "port": 0}

    report = examine_all(flags | {"cache_dir": tmp_path / "cache"})

    assert [(model.name, model.provider) for model in report.models] == [
        ("chat@cpu", "cpu"),
        ("chat@auto", "auto"),
        ("chat@nosuch", "nosuch"),
    ]
    assert [model.device and model.device.requested for model in report.models] == ["cpu", "auto", None]
    assert all("'nosuch'" in problem.message for problem in report.problems)
    assert not report.can_start


def test_an_embedding_model_may_name_its_provider_too(tmp_path: Path) -> None:
    settings = Settings.read(model="org/m@cpu", embedding_model="org/e@auto", cache_dir=tmp_path)

    choices = check_settings(settings).choices

    assert [(choice.task, choice.text, choice.provider) for choice in choices] == [
        (GENERATE, "org/m", "cpu"),
        (EMBED, "org/e", "auto"),
    ]
