"""Chat templates render byte for byte, errors included, as transformers renders them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.chat.template.recorded import CONVERSATIONS, FOLDER, RELEASED, RELEASED_TEMPLATES, RENDERED, digest, render


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
