"""What can be wrong with a grammar, a schema, or a constraint while it is in use."""

from __future__ import annotations


class StructuredError(Exception):
    """Raised when text cannot be held to what was asked; the base of every error below."""


class GrammarError(StructuredError):
    """Raised when a GBNF grammar cannot be read or served; ``line`` and ``column`` count from 1."""

    def __init__(self, line: int, column: int, problem: str, remedy: str) -> None:
        super().__init__(f"line {line}, column {column}: {problem}; {remedy}")
        self.line = line
        self.column = column
        self.problem = problem
        self.remedy = remedy


class SchemaError(StructuredError):
    """Raised when a JSON schema is none, or uses what is not supported; ``path`` is a JSON pointer into the schema."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        super().__init__(f"schema at {path or 'its root'}: {problem}; {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


class ConstraintFailed(StructuredError):
    """Raised when one sequence's constraint cannot go on: a token that it forbids, or a limit of its parser."""
