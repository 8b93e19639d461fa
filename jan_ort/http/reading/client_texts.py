"""The client's words in a conversation, marked so that none of them becomes a control token (hop 3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jan_ort.chat.reasoning.marked_thoughts import MarkedThoughts
from jan_ort.chat.tools import ToolPlan
from jan_ort.http.api_error import bad_request
from jan_ort.models.control_tokens import MarkedText
from jan_ort.serving.generative import GenerativeModel


class ClientTexts:
    """Marks what a client says. Most say nothing that could become a control token, which is left as it is.

    ``values`` are all that the template is given of the client's. Its variables are not among them: they set the
    template up, as its author would. Raises: ApiError 400 where they cannot be marked.
    """

    def __init__(self, model: GenerativeModel, values: Sequence[Any]) -> None:
        self._controls = model.tokenizer.controls
        # What a thought of an earlier answer stands between is structure that templates look for.
        thoughts = None if model.template is None else model.thoughts
        self._thoughts: Collection[str] = ()
        if isinstance(thoughts, MarkedThoughts):
            self._thoughts = (thoughts.opening, thoughts.closing)
        texts = [text for value in values for text in _texts(value)]
        sources = (model.folder.chat_template or "", model.folder.tool_use_template or "")
        is_told = any(map(self._controls.are_in, texts))
        try:
            self._stand_ins = self._controls.stand_ins([*texts, *sources]) if is_told else {}
        except ValueError as error:
            raise bad_request("messages", f"messages: {error}") from error

    def messages(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages of ``template_messages``, marked."""
        return [self._message(each) for each in messages] if self._stand_ins else messages

    def tools(self, plan: ToolPlan | None) -> ToolPlan | None:
        """Return the plan with what describes its tools marked."""
        if plan is None or not self._stand_ins:
            return plan
        marked = {
            tool.name: replace(
                tool,
                description=self._mark(tool.description),
                parameters=_mapped(tool.parameters, self._mark),
            )
            for tool in plan.tools
        }
        callable_tools = tuple(marked[tool.name] for tool in plan.callable_tools)
        return replace(plan, tools=tuple(marked.values()), callable_tools=callable_tools)

    def prompt(self, text: str) -> MarkedText:
        """Return the prompt that the template made."""
        return MarkedText(text, self._stand_ins)

    def _mark(self, text: str) -> str:
        return self._controls.marked(text, self._stand_ins)

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        kept = self._thoughts if message["role"] == "assistant" else ()
        content = message["content"]
        marked = {key: value if key == "role" else _mapped(value, self._mark) for key, value in message.items()}
        if isinstance(content, str):
            marked["content"] = self._controls.marked(content, self._stand_ins, kept)
        return marked


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, keys included."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            yield from (key for key in each if isinstance(key, str))
            pending.extend(each.values())
        elif isinstance(each, (list, tuple)):
            pending.extend(each)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return the value with its texts changed, and its keys unless they are plain names."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {
            change(key) if isinstance(key, str) and not key.isidentifier() else key: _mapped(each, change)
            for key, each in value.items()
        }
    return [_mapped(each, change) for each in value] if isinstance(value, (list, tuple)) else value
