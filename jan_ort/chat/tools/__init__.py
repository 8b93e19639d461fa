"""Function calling: what a request asks for, and how calls are read back, in any format (hops 3 and 9)."""

from jan_ort.chat.tools.assistant_message import AssistantMessage, deltas
from jan_ort.chat.tools.call_events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    ReasoningDelta,
    ToolCallEnd,
    ToolCallStart,
)
from jan_ort.chat.tools.call_parser import ToolCallParser
from jan_ort.chat.tools.tool_plan import Tool, ToolChoice, ToolError, ToolPlan, parse_tools

__all__ = [
    "ArgumentsDelta",
    "AssistantMessage",
    "ContentDelta",
    "Event",
    "ReasoningDelta",
    "Tool",
    "ToolCallEnd",
    "ToolCallParser",
    "ToolCallStart",
    "ToolChoice",
    "ToolError",
    "ToolPlan",
    "deltas",
    "parse_tools",
]
