"""What a failed request is answered: one table from exceptions to HTTP, and the body that OpenAI's clients read."""

from __future__ import annotations

import logging
import math
from typing import Any

from jan_ort.chat.template import ChatTemplateError
from jan_ort.engine.errors import DeviceUnavailable, EngineFailed, EngineStopped, QueueFull, StepFailed
from jan_ort.ground.worker_pool import PoolBusy, PoolClosed
from jan_ort.models.tokenizer import TokenIdError
from jan_ort.structured.errors import ConstraintFailed
from jan_ort_backends import BadInput, ContextOverflow, DeviceLost
from jan_ort_openapi import MalformedBody, SchemaViolation, Violation

logger = logging.getLogger(__name__)

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """Raised when a request cannot be served as it is; carries the answer's status and error object."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers: dict[str, str] = {}
        self.detail: list[Violation] | None = None

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


def to_api_error(error: Exception) -> ApiError:
    """Map any exception to the answer it gets; one that is not ours is logged and becomes a 500."""
    match error:
        case ApiError():
            return error
        case SchemaViolation():
            answer = ApiError(422, str(error), param=error.param, code="schema_violation")
            answer.detail = error.detail
            return answer
        case MalformedBody():
            return ApiError(400, str(error), code="malformed_body")
        case TokenIdError():
            return bad_request("tokens", str(error), code="invalid_token_id")
        case ChatTemplateError():
            return bad_request("messages", str(error), code="chat_template_error")
        case ContextOverflow():
            return bad_request("input", str(error), code="context_length_exceeded")
        case BadInput():
            return bad_request(error.param, str(error))
        case QueueFull() | PoolBusy():
            return _retry(429, str(error), "queue_full", error.retry_after_s)
        case EngineStopped() | PoolClosed() | DeviceUnavailable() | DeviceLost():
            return _unavailable(error)
        case ConstraintFailed():
            return ApiError(400, str(error), code="constraint_failed")
        case StepFailed() | EngineFailed():
            code = "backend_failed" if isinstance(error, StepFailed) else "engine_failed"
            return ApiError(500, str(error), code=code)
    logger.error("a request failed", exc_info=error)
    return ApiError(500, "internal error; the server's log has the details", code="internal_error")


def _unavailable(error: EngineStopped | PoolClosed | DeviceUnavailable | DeviceLost) -> ApiError:
    if isinstance(error, EngineStopped | PoolClosed):
        return _retry(503, str(error), "shutting_down", 5)
    return _retry(503, str(error), "device_lost", error.retry_after_s if isinstance(error, DeviceUnavailable) else 5)


def _retry(status: int, message: str, code: str, after_s: int) -> ApiError:
    answer = ApiError(status, message, code=code)
    answer.headers["Retry-After"] = str(after_s)
    return answer
