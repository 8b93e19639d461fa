"""Where images stand in a conversation, in the form that a chat template reads (hop 3).

Until a template is rendered, a message's content is one text, in which a mark stands for each image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from jan_ort.chat.template import ChatTemplateError

_MARKS = range(0xF0000, 0xFFFFE)
"""Characters of private use: no text of a model's own has any."""

_WORDS = "What is this?"

Turn = dict[str, Any]


class PictureForm(Enum):
    """How a template takes images: as parts of a content, in every message or in those with images, or as text."""

    PARTS = "parts"
    PARTS_BESIDE_IMAGES = "parts beside images"
    TEXT = "text"


def image_mark(text: str) -> str:
    """Return a character that is not in the text. Raises: ValueError where it uses up all."""
    taken = set(text)
    mark = next((chr(code) for code in _MARKS if chr(code) not in taken), None)
    if mark is None:
        raise ValueError("they use every character of private use; leave one out")
    return mark


def find_form(render: Callable[[Sequence[Turn]], str], image_text: str) -> PictureForm:
    """Return the form that a template takes, which writes ``image_text`` where an image is to stand."""
    parts = [{"type": "image"}, {"type": "text", "text": _WORDS}]
    if not _writes(render, parts, image_text, _WORDS):
        return PictureForm.TEXT
    return PictureForm.PARTS_BESIDE_IMAGES if _writes(render, _WORDS, _WORDS) else PictureForm.PARTS


def _writes(render: Callable[[Sequence[Turn]], str], content: Any, *texts: str) -> bool:
    try:
        written = render([{"role": "user", "content": content}])
    except ChatTemplateError:
        return False
    return all(text in written for text in texts)


def with_images(turns: Sequence[Turn], mark: str, form: PictureForm, image_text: str) -> list[Turn]:
    """Return the messages as the template takes them, with an image at each ``mark``."""
    return [turn | {"content": _content(turn["content"], mark, form, image_text)} for turn in turns]


def _content(content: Any, mark: str, form: PictureForm, image_text: str) -> Any:
    if not isinstance(content, str):
        return content
    if form is PictureForm.TEXT:
        return content.replace(mark, image_text)
    if form is PictureForm.PARTS_BESIDE_IMAGES and mark not in content:
        return content
    parts: list[dict[str, str]] = []
    for at, text in enumerate(content.split(mark)):
        parts += [{"type": "image"}] if at else []
        parts += [{"type": "text", "text": text}] if text else []
    return parts
