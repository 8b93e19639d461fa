"""Foundry Local's inference_model.json gives a folder its name, and a chat template where there is no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jan_ort.chat.template import ChatTemplate, ChatTemplateError
from jan_ort.models.folder_files import FolderFiles
from jan_ort.models.prompt_template import chat_template_of

CHATML = {
    "system": "<|im_start|>system\n{Content}<|im_end|>",
    "user": "<|im_start|>user\n{Content}<|im_end|>",
    "assistant": "<|im_start|>assistant\n{Content}<|im_end|>",
    "prompt": "<|im_start|>user\n{Content}<|im_end|>\n<|im_start|>assistant\n",
}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": 'A "quoted" {{ é }}\n'},
    {"role": "assistant", "content": "{Content}"},
    {"role": "user", "content": "Bye"},
]


def render(source: str | None, messages: list[dict[str, str]]) -> str:
    assert source is not None
    return ChatTemplate(source, bos_token="", eos_token="").render(messages)


def test_a_conversation_is_that_of_the_roles_texts() -> None:
    assert render(chat_template_of(CHATML), MESSAGES) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        '<|im_start|>user\nA "quoted" {{ é }}\n<|im_end|>\n'
        "<|im_start|>assistant\n{Content}<|im_end|>\n"
        "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
    )


def test_without_a_prompt_an_answer_begins_as_the_assistant_s_text_does() -> None:
    template = {"user": "[INST] {Content} [/INST]", "assistant": "\\ 'it' {Content}</s>"}

    assert render(chat_template_of(template), MESSAGES[1:2]).endswith("[/INST]\\ 'it' ")


def test_a_role_without_a_text_is_refused() -> None:
    with pytest.raises(ChatTemplateError, match="no system messages"):
        render(chat_template_of({"user": "{Content}"}), MESSAGES[:1])


@pytest.mark.parametrize("template", [{}, {"user": 3}, {"user": "no content"}, {"system": "{Content}"}])
def test_what_has_no_text_for_the_user_is_no_template(template: dict[str, object]) -> None:
    assert chat_template_of(template) is None


@pytest.mark.parametrize("content", ['{"Name": 3, "PromptTemplate": [1]}', "{}"])
def test_a_folder_has_its_name_and_template_from_the_file_last(content: str, tmp_path: Path) -> None:
    (tmp_path / "inference_model.json").write_text(json.dumps({"Name": "phi-cpu", "PromptTemplate": CHATML}))
    assert FolderFiles(tmp_path).name() == "phi-cpu"
    assert FolderFiles(tmp_path).chat_template() == chat_template_of(CHATML)

    (tmp_path / "chat_template.jinja").write_text("own")
    assert FolderFiles(tmp_path).chat_template() == "own"

    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / "inference_model.json").write_text(content)
    assert (FolderFiles(tmp_path).name(), FolderFiles(tmp_path).chat_template()) == (tmp_path.name, None)
