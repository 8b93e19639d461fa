"""Thoughts of a model, where they are declared: told apart from content, counted, and taken back."""

from __future__ import annotations

import json
import re
from typing import Any

from jan_ort_conformance.http.check_tools.answers import joined, text_of
from jan_ort_conformance.http.check_tools.asker import CHAT, GREEDY, HELLO, Asker, Untold, expect_effect
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.check_tools.profile import Profile
from jan_ort_conformance.verdicts.verdict import expect

PROFILE = Profile("reasoning")

SCHEMA = {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"], "additionalProperties": False}
_MARKED = re.compile(r"\s*(<[a-z:|]*think[a-z:|]*>|\[THINK\]|<\|channel\|?>|◁think▷)", re.IGNORECASE)


@check("reasoning.is_no_content", needs=[f"{CHAT} messages"])
def reasoning_is_no_content(server: Asker) -> None:
    """A thought has its own field, the same in a stream; content has none of it, and is of a schema behind one."""
    _expect_declared(server)
    answer = server.ask(CHAT, **GREEDY)
    chunks = server.stream(CHAT, **GREEDY)

    (choice,) = answer["choices"]
    thought = choice["message"].get("reasoning_content") or ""
    streamed = "".join(
        each["delta"].get("reasoning_content") or "" for chunk in chunks for each in chunk["choices"] if "delta" in each
    )
    expect(not _MARKED.match(text_of(choice)), f"the content begins as a thought: {text_of(choice)!r}")
    expect(thought == streamed, f"the thought is plainly {thought!r}, streamed {streamed!r}")
    expect(text_of(choice) == joined(chunks), f"plainly {text_of(choice)!r}, streamed {joined(chunks)!r}")
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
    text = server.said(CHAT, **GREEDY | {"max_tokens": 120}, response_format=form)
    expect(json.loads(text) == {"a": 1}, f"{text!r} is not of the schema")


@check("reasoning.is_counted", needs=[f"{CHAT} messages"])
def reasoning_is_counted(server: Asker) -> None:
    """usage.completion_tokens_details.reasoning_tokens is some of the completion's tokens, and 0 without a thought."""
    _expect_declared(server)

    answer = server.ask(CHAT, **GREEDY)

    usage = answer["usage"]
    details: Any = usage.get("completion_tokens_details")
    expect_effect(isinstance(details, dict), f"usage has no completion_tokens_details: {usage}")
    count = details["reasoning_tokens"]
    expect(0 <= count <= usage["completion_tokens"], f"{count} of {usage['completion_tokens']} tokens are thought")
    thought = answer["choices"][0]["message"].get("reasoning_content")
    expect(count > 0 or not thought, f"the thought {thought!r} has no tokens")


@check("reasoning.is_taken_back", needs=[f"{CHAT} messages"])
def reasoning_is_taken_back(server: Asker) -> None:
    """An earlier answer is accepted with its thought, and any effort is."""
    _expect_declared(server)
    earlier = {
        "role": "assistant",
        "content": "Once.",
        "reasoning_content": "Which story?",
        "reasoning": "Which story?",
    }

    server.ask(CHAT, **GREEDY, messages=[*HELLO, earlier, *HELLO])
    for effort in ("low", "medium", "high"):
        server.ask(CHAT, **GREEDY, reasoning_effort=effort)


def _expect_declared(server: Asker) -> None:
    """Raise Untold for a server whose own document says nothing of thoughts."""
    if not server.declaration.serves_document or "reasoning_content" not in json.dumps(server.declaration.document):
        raise Untold("reasoning_content, which is not declared, would tell a thought")
