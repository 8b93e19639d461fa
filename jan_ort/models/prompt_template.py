"""The prompt template of Foundry Local's inference_model.json, as a chat template (hop 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping

CONTENT = "{Content}"
_ROLES = ("system", "user", "assistant")


def chat_template_of(prompt_template: Mapping[str, object]) -> str | None:
    """Return Jinja source, None if there is no text for the user's messages.

    Each role has a text with ``{Content}`` in it. ``prompt`` has a user's message and what an answer begins with; the
    white space between them stands between any two messages.
    """
    texts = {role: text for role in _ROLES if isinstance(text := prompt_template.get(role), str) and CONTENT in text}
    if "user" not in texts:
        return None
    prompt = prompt_template.get("prompt")
    if isinstance(prompt, str) and prompt.startswith(texts["user"]):
        begin = prompt.removeprefix(texts["user"])
    else:
        begin = texts.get("assistant", "").partition(CONTENT)[0]
    between = begin[: len(begin) - len(begin.lstrip())]
    cases = "".join(_case(role, text) for role, text in texts.items())
    refusal = "{{ raise_exception('The model has no ' + message['role'] + ' messages') }}"
    return (
        "{% for message in messages %}{% if not loop.first %}{{ " + _literal(between) + " }}{% endif %}"
        "{% if false %}" + cases + "{% else %}" + refusal + "{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ " + _literal(begin) + " }}{% endif %}"
    )


def _case(role: str, text: str) -> str:
    before, _, after = text.partition(CONTENT)
    shown = f"{_literal(before)} + message['content'] + {_literal(after)}"
    return "{% elif message['role'] == " + _literal(role) + " %}{{ " + shown + " }}"


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
