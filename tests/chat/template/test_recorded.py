"""Chat templates render byte for byte, errors included, as transformers renders them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from jan_ort.chat.formats import FORMATS, find_format, read_template
from jan_ort.chat.reasoning import find_thoughts
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


OF_FORMATS = {
    "command_r": ("command_a", "command_a_tool_use"),
    "deepseek": ("deepseek_r1_distill", "deepseek_v3", "deepseekv3"),
    "glm": ("glm4moe",),
    "harmony": ("gptoss",),
    "hermes": (
        *("exaone4", "falcon_h1", "qwen_25", "qwen2_5", "qwen2_5_training"),
        *("qwen3", "qwen3_instruct_2507", "qwen3_training", "qwen3_vl"),
    ),
    "lfm2": ("lfm2_2_5_v2",),
    "llama3": ("llama3_1", "llama3_2", "llama3_2_vision", "llama4"),
    "mistral": ("mistral_v2v3", "mistral_v3_tekken"),
    "qwen3_coder": ("nemotron_3_nano", "qwen3_5_think"),
}
THINKING = {
    *("command_a", "command_a_rag", "command_a_tool_use", "deepseek_r1_distill", "deepseek_v3", "deepseekv3"),
    *("exaone4", "gemma4_v5", "glm4moe", "gptoss", "lfm2_2_5_v2", "nemotron_3_nano", "phi_4"),
    *("qwen3", "qwen3_5_think", "qwen3_training"),
}


@pytest.mark.weights
@pytest.mark.parametrize(("package", "name"), RELEASED_TEMPLATES)
def test_a_released_models_template_tells_its_format_and_whether_it_thinks(
    package: str, name: str, released_templates: Path
) -> None:
    view = read_template((released_templates / package / f"{name}.jinja").read_text(encoding="utf-8"))
    expected = [tool_format for tool_format, names in OF_FORMATS.items() if name in names]

    assert [each.name for each in FORMATS if each.detects(view)] == [*expected, "described"]
    assert ((find_format(view).thoughts or find_thoughts(view.text)) is not None) is (name in THINKING)
