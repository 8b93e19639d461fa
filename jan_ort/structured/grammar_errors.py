"""What can be wrong with a grammar, a schema, or a constraint while it is in use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


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


@contextmanager
def panics_fail() -> Iterator[None]:
    """Raise ConstraintFailed for a panic of the matcher, which is no ``Exception`` and would end the thread."""
    try:
        yield
    except (Exception, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise ConstraintFailed(f"the matcher failed ({error}); simplify the grammar or schema") from error
