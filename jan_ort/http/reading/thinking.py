"""A thought that a prompt has begun, and what holds only for the answer that follows it (hop 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jan_ort.http.reading.conversation import EncodedConversation
from jan_ort.serving.generative import GenerativeModel

if TYPE_CHECKING:
    from jan_ort.structured.compiler import CompiledGrammar
    from jan_ort.structured.prefaced import PrefacedGrammar


def is_thought_open(model: GenerativeModel, prompt: EncodedConversation) -> bool:
    """Whether the answer begins inside of a thought."""
    if model.template is None or model.thoughts is None:
        return False
    return prompt.is_in_thought or model.thoughts.are_open_in(prompt.text)


async def after_thoughts(
    model: GenerativeModel, answer: CompiledGrammar | None, prompt: EncodedConversation, *, is_call: bool
) -> CompiledGrammar | PrefacedGrammar | None:
    """Return what the whole text must follow, whose answer follows a grammar: thoughts before it are free."""
    is_thinking = is_thought_open(model, prompt)
    if answer is None or model.template is None or model.thoughts is None:
        return answer
    if prompt.is_continued and not is_thinking:
        return answer  # its beginning has been said
    preface = model.thoughts.preface(
        {**model.thought_markers, **model.tool_markers}, is_thinking=is_thinking, is_call=is_call
    )
    grammars = await model.grammar_pool()
    return await grammars.prefaced(
        preface.source,
        answer,
        is_needed=preface.is_needed,
        closing=preface.closing,
        num_opening=len(preface.opening.encode()),
    )
