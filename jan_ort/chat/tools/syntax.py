"""What surrounds a call in each format (hop 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jan_ort.chat.tools.formats import ToolFormat


@dataclass(frozen=True, slots=True)
class Syntax:
    """Texts that open a call, the one that closes it, and what stands between two.

    ``has_list`` allows a JSON list of calls in place of one, ``has_head`` allows ``name[ARGS]{…}`` in place of an
    object.
    """

    openings: tuple[str, ...]
    closing: str = ""
    separator: str = ""
    has_list: bool = False
    has_head: bool = False


# The list is how SmolLM2 was taught to write several calls between one pair of tags.
_HERMES = Syntax(("<tool_call>",), closing="</tool_call>", has_list=True)
_MISTRAL = Syntax(("[TOOL_CALLS]",), has_list=True, has_head=True)

SYNTAX: Mapping[ToolFormat, Syntax] = {
    ToolFormat.HERMES: _HERMES,
    ToolFormat.PLAIN: _HERMES,
    ToolFormat.LLAMA3: Syntax(("<|python_tag|>", "{"), separator=";"),
    ToolFormat.MISTRAL: _MISTRAL,
    ToolFormat.MISTRAL_ARGS: _MISTRAL,
}
