"""The answer to a request that cannot be served, in the body that OpenAI's clients read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jan_ort_openapi import Violation

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}

_MAX_CHARACTERS = 1000
"""Characters of a message: what it repeats of a request may be megabytes."""


class ApiError(Exception):
    """Raised when a request cannot be served as it is; carries the answer's status and error object."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = _cut(message)
        self.param = None if param is None else _cut(param)
        self.code = code
        self.headers: dict[str, str] = {}
        self.detail: list[Violation] | None = None

    @property
    def named_message(self) -> str:
        """The message with the field in it, for bodies that have no place of their own for that."""
        is_named = self.param is None or self.param in self.message
        return self.message if is_named else f"{self.param}: {self.message}"

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body: OpenAI's error object, and for a violated schema the list of violations."""
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        body: dict[str, Any] = {
            "error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        }
        if self.detail is not None:
            body["detail"] = self.detail
        return body


def bad_request(param: str, message: str, *, code: str = "invalid_value") -> ApiError:
    """Return the answer to a body that the schema allows but that cannot be served: 400, naming the field."""
    return ApiError(400, message, param=param, code=code)


def unsupported(param: str, message: str) -> ApiError:
    """Return the answer to a field that this server or model does not support: 400, naming the field."""
    return ApiError(400, message, param=param, code="unsupported_field")


def short(number: int | None) -> str:
    """Return a number for a message; nobody wants to read four thousand digits, and Python refuses to write more."""
    if number is not None and abs(number) >= 10**20:
        return f"about {'-' if number < 0 else ''}10^{int(math.log10(abs(number)))}"
    return str(number)


def context_overflow(param: str, num_prompt: int, num_requested: int, limit: int) -> ApiError:
    """Return the answer to a prompt that does not fit the context with what is to be generated after it."""
    # LangChain and LiteLLM know an overflow by these words, not by the code.
    lead = "the prompt is too long: " if num_prompt >= limit else ""
    return bad_request(
        param,
        f"{lead}this model's maximum context length is {limit} tokens, but {short(num_prompt + num_requested)} were "
        f"requested ({num_prompt} in the prompt, {short(num_requested)} to generate); shorten the prompt or lower "
        "max_tokens",
        code="context_length_exceeded",
    )


def surely_overflows(param: str, at_least: int, limit: int) -> ApiError:
    """Return the answer to a text that does not fit the context by itself, of which not all was tokenized."""
    return bad_request(
        param,
        f"the prompt is too long: this model's maximum context length is {limit} tokens, but {param} has at least "
        f"{at_least} tokens; shorten it",
        code="context_length_exceeded",
    )


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"
