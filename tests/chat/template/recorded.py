"""Chat templates, conversations, and what transformers makes of them."""

from __future__ import annotations

import functools
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from jan_ort.chat.template import ChatTemplate, ChatTemplateError

FOLDER = Path(__file__).parents[2] / "fixtures" / "chat_templates"


def _read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


CONVERSATIONS: dict[str, dict[str, Any]] = _read("conversations.json")
TOOLS: dict[str, list[dict[str, Any]]] = _read("tools.json")
RENDERED: dict[str, Any] = _read("rendered.json")
RELEASED: dict[str, Any] = _read("released.json")["packages"]
RELEASED_TEMPLATES = [(package, name) for package, entry in RELEASED.items() for name in entry["templates"]]

_NOW = datetime.fromisoformat(RENDERED["now"])
_KINDS = {
    "refuses": "the model's chat template refuses this conversation: ",
    "fails": "the model's chat template fails on this conversation: ",
}


@functools.cache
def template_of(source: str) -> ChatTemplate:
    return ChatTemplate(source, bos_token="<s>", eos_token="</s>", now=lambda: _NOW)


def render(source: str, name: str) -> str | list[str]:
    """Return a conversation's text, or its error as [kind, message], as scripts/record_chat_templates.py does."""
    conversation = CONVERSATIONS[name]
    try:
        return template_of(source).render(
            conversation["messages"],
            tools=TOOLS.get(conversation.get("tools", "")),
            documents=conversation.get("documents"),
            add_generation_prompt=conversation.get("add_generation_prompt", True),
            **conversation.get("variables", {}),
        )
    except ChatTemplateError as error:
        for kind, start in _KINDS.items():
            if str(error).startswith(start):
                return [kind, str(error).removeprefix(start)]
        raise


def digest(rendered: str | list[str]) -> str:
    """Return the hash of a text or of an error's words, as scripts/record_chat_templates.py does."""
    kind, text = ("text", rendered) if isinstance(rendered, str) else rendered
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
