"""Turns as a chat template takes them that knows no system role, or wants roles to alternate (hop 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jan_ort.chat.template import TemplateRefusal

Turns = Sequence[dict[str, Any]]


def rendered_as_taken(render: Callable[[Turns], str], turns: Turns, *, is_system_ours: bool) -> str:
    """Return the prompt of the turns, in the first form that the template takes.

    ``is_system_ours`` says that the server wrote the system message: then it is put before the user's first words where
    the template refuses it, or leaves it out. Turns of one role in a row are joined where the template refuses them.
    Raises: ChatTemplateError of the turns as they are.
    """
    refusal: TemplateRefusal | None = None
    for form in _forms(turns, is_system_ours=is_system_ours):
        try:
            prompt = render(form)
        except TemplateRefusal as error:
            refusal = refusal or error
            continue
        if not (is_system_ours and _is_left_out(form, prompt)):
            return prompt
    if refusal is None:
        return prompt  # in no form does the template write it
    raise refusal


def _forms(turns: Turns, *, is_system_ours: bool) -> Iterator[Turns]:
    yield turns
    if is_system_ours and turns and turns[0]["role"] == "system":
        moved = _with_system_in_first_user(turns)
        yield moved
        turns = moved
    joined = _joined(turns)
    if len(joined) < len(turns):
        yield joined


def _is_left_out(turns: Turns, prompt: str) -> bool:
    return bool(turns) and turns[0]["role"] == "system" and turns[0]["content"].strip() not in prompt


def _with_system_in_first_user(turns: Turns) -> Turns:
    system, *rest = turns
    at = next((at for at, turn in enumerate(rest) if turn["role"] == "user"), None)
    if at is None:
        return [{"role": "user", "content": system["content"]}, *rest]
    asked = rest[at] | {"content": f"{system['content']}\n\n{rest[at]['content']}"}
    return [*rest[:at], asked, *rest[at + 1 :]]


def _joined(turns: Turns) -> list[dict[str, Any]]:
    joined: list[dict[str, Any]] = []
    for turn in turns:
        last = joined[-1] if joined else {"role": ""}
        if turn["role"] == last["role"] in ("system", "user", "assistant") and "tool_calls" not in {**turn, **last}:
            joined[-1] = last | {"content": f"{last['content']}\n\n{turn['content']}"}
        else:
            joined.append(turn)
    return joined
