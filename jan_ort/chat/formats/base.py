"""What a tool-call format is: how one family of models is told of tools, writes calls, and has them read back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from jan_ort.chat.formats.call_grammar import CallGrammar, needs_grammar
from jan_ort.chat.formats.call_history import hermes_text, plain_messages, with_text_arguments
from jan_ort.chat.formats.description import EXAMPLE, description
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.messages import with_instruction
from jan_ort.chat.reasoning import Thoughts
from jan_ort.chat.tools.call_reader import CallReader, Opening
from jan_ort.chat.tools.tool_plan import Tool, ToolPlan


class ToolFormat(ABC):
    """One format. It holds no state: every answer has a reader of its own."""

    name: str
    markers: tuple[str, ...]
    """Texts of the format that may be special tokens; a detokenizer must give them out."""
    openings: tuple[Opening, ...]
    """Texts that open calls in an answer; none of them begins with another."""
    closings: tuple[str, ...] = ()
    """Texts that end parts of a call where JSON's brackets do not, the innermost first: for the token limit."""
    needs_closings = False
    """Whether arguments are whole only once the closings stand behind them."""
    text_head = ""
    """What its models write before a text for the user, where calls and texts have heads."""
    thoughts: Thoughts | None = None
    """How its models think, where that is a part of the format; else the template's words tell."""

    @abstractmethod
    def detects(self, template: TemplateView) -> bool:
        """Whether the template teaches its model this format: no other format's templates."""

    @abstractmethod
    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return the reader of what follows ``opening`` in an answer that may call these tools, by name (hop 9)."""

    @abstractmethod
    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of the whole answer, for ``grammar.plan``: it is forced, or has strict tools (hop 3)."""

    def grammar(self, plan: ToolPlan, special_token_ids: Mapping[str, int] | None = None) -> str | None:
        """Return the grammar of the whole answer, None where the model is free: no tool is strict, no call required.

        ``special_token_ids`` are the ids of those ``markers`` that are special tokens of the tokenizer: a grammar must
        name them by id, because their text stands for other tokens. The schemas are taken as they are; whether they can
        be compiled is for the compiler to say.
        """
        return self.write_grammar(CallGrammar(plan, special_token_ids or {})) if needs_grammar(plan) else None

    def adapt(
        self, messages: Sequence[Mapping[str, Any]], plan: ToolPlan | None, template: TemplateView
    ) -> list[dict[str, Any]]:
        """Return the messages of ``template_messages``, earlier calls and results included, as the template takes them.

        ``plan`` is for a format that describes the tools itself, in place of ``template_tools``.
        """
        if template.writes_calls:
            shaped = self.shape([dict(message) for message in messages])
            shaped = [with_text_arguments(message) for message in shaped] if template.wants_text else shaped
        else:
            shaped = plain_messages(messages, self.call_text, result_role=self.result_role)
        if template.knows_tools or plan is None or not plan.callable_tools:
            return shaped
        return with_instruction(shaped, description(plan, f"A call is written like this:\n{self.call_text(EXAMPLE)}"))

    result_role = "user"
    """The role of a result, where the template has none for it."""

    def call_text(self, functions: Sequence[Mapping[str, Any]]) -> str:
        """Return calls as the model writes them, for templates that do not."""
        return hermes_text(functions)

    def shape(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages without what the format's templates refuse."""
        return messages

    def template_tools(self, plan: ToolPlan | None) -> list[dict[str, Any]] | None:
        """Return the variable ``tools`` of the template; None where no tool may be called, or it knows none."""
        return None if plan is None else plan.template_tools()
