"""How models think, and what they think told apart from what they answer (hops 3 and 9)."""

from jan_ort.chat.reasoning.marked_thoughts import find_thoughts
from jan_ort.chat.reasoning.thinking_parser import AnswerParser, PlainParser, ThinkingParser
from jan_ort.chat.reasoning.thoughts import AnswerDelta, Piece, Preface, Thoughts, ThoughtStage

__all__ = [
    "AnswerDelta",
    "AnswerParser",
    "Piece",
    "PlainParser",
    "Preface",
    "ThinkingParser",
    "ThoughtStage",
    "Thoughts",
    "find_thoughts",
]
