"""The typed errors of the contract: a malformed body, a body that violates its schema."""

from __future__ import annotations

from typing import TypedDict


class ContractError(Exception):
    """Raised when a request breaks the contract; the base of every error below."""


class MalformedBody(ContractError):
    """Raised when a body is no JSON text that we can represent; HTTP 400."""


class TooManyValues(ContractError):
    """Raised when a body holds more values than are read; HTTP 400.

    ``param`` is the field of the body that holds them, None when the body itself does.
    """

    def __init__(self, param: str | None, what: str, num_given: int, num_allowed: int) -> None:
        holder = "" if param is None else f"{param}: "
        super().__init__(f"{holder}{num_given} {what} are given; at most {num_allowed} are allowed, send fewer")
        self.param = param


class Violation(TypedDict):
    """One entry of the document's ``HTTPValidationError.detail``."""

    loc: list[str | int]
    msg: str
    type: str


class SchemaViolation(ContractError):
    """Raised when a body is JSON but violates its operation's schema; HTTP 422.

    ``detail`` has at most 50 entries, each ``loc`` starting with "body"; ``param`` is the dotted name of the first
    failing field ("messages.0.content"), None when the body as a whole is wrong.
    """

    def __init__(self, detail: list[Violation], param: str | None, message: str) -> None:
        super().__init__(f"{'the body' if param is None else param}: {message}")
        self.detail = detail
        self.param = param
