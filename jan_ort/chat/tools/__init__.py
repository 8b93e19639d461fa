"""Function calling: what a request asks for, how its model writes calls, and how they are read back (hops 3 and 8)."""

from jan_ort.chat.tools.answer import AssistantMessage, deltas
from jan_ort.chat.tools.events import ArgumentsDelta, ContentDelta, Event, ToolCallEnd, ToolCallStart
from jan_ort.chat.tools.formats import TemplateTools, ToolFormat, read_template
from jan_ort.chat.tools.grammar import forced_grammar, tool_grammar
from jan_ort.chat.tools.history import adapt_messages
from jan_ort.chat.tools.parser import ToolCallParser
from jan_ort.chat.tools.plan import Tool, ToolChoice, ToolError, ToolPlan, parse_tools

__all__ = [
    "ArgumentsDelta",
    "AssistantMessage",
    "ContentDelta",
    "Event",
    "TemplateTools",
    "Tool",
    "ToolCallEnd",
    "ToolCallParser",
    "ToolCallStart",
    "ToolChoice",
    "ToolError",
    "ToolFormat",
    "ToolPlan",
    "adapt_messages",
    "deltas",
    "forced_grammar",
    "parse_tools",
    "read_template",
    "tool_grammar",
]
