"""The one table from exceptions to HTTP: what a failed request is answered."""

from __future__ import annotations

import logging

from jan_ort.chat.template import ChatTemplateError
from jan_ort.engine.engine_errors import (
    DeviceUnavailable,
    EngineFailed,
    EngineStopped,
    QueueFull,
    SequenceFailed,
    StepFailed,
)
from jan_ort.ground.worker_pool import PoolBusy, PoolClosed
from jan_ort.http.api_error import ApiError, bad_request
from jan_ort.http.body_budget import BodiesTooLarge
from jan_ort.http.responses.store import StoreUnavailable
from jan_ort.models.tokenizer import TextTooLarge, TokenIdError, TokenizerFailed
from jan_ort.serving.serving_errors import ModelNotFound, ModelNotNamed, ModelUnavailable, NoModelForTask, NotServing
from jan_ort.structured.grammar_errors import ConstraintFailed
from jan_ort_backends import BadInput, ContextOverflow, DeviceLost
from jan_ort_openapi import MalformedBody, SchemaViolation, TooManyValues

logger = logging.getLogger(__name__)

_RETRY_AFTER_S = 5
"""What a client is told where the error does not know better."""


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
        case TooManyValues():
            message = f"{error} (setting JAN_ORT_MAX_BODY_VALUES)"
            return ApiError(400, message, param=error.param, code="too_many_values")
        case TokenIdError():
            return bad_request("tokens", str(error), code="invalid_token_id")
        case ChatTemplateError():
            return bad_request("messages", str(error), code="chat_template_error")
        case ContextOverflow():
            return bad_request("input", str(error), code="context_length_exceeded")
        case BadInput():
            return bad_request(error.param, str(error))
        case ConstraintFailed() | TextTooLarge():
            code = "constraint_failed" if isinstance(error, ConstraintFailed) else "text_too_large"
            return ApiError(400, str(error), code=code)
    return _of_models(error) or _passing(error) or _failed(error)


def _of_models(error: Exception) -> ApiError | None:
    """Return the answer to a request that means no model, None for anything else."""
    match error:
        case NoModelForTask():
            return bad_request("model", str(error), code=f"no_{error.task.kind}_model")
        case ModelNotNamed():
            return bad_request("model", str(error), code="missing_required_parameter")
        case ModelNotFound():
            return ApiError(404, str(error), param="model", code="model_not_found")
    return None


def _passing(error: Exception) -> ApiError | None:
    """Return the answer to what may succeed later, with when to come back; None for anything else."""
    match error:
        case QueueFull() | PoolBusy():
            status, code, param = 429, "queue_full", None
        case NotServing():
            status, code, param = 503, f"server_{error.status}", None
        case ModelUnavailable():
            status, code, param = 503, "model_failed", "model"
        case BodiesTooLarge():
            status, code, param = 503, "bodies_too_large", None
        case StoreUnavailable():
            status, code, param = 503, "response_store_unavailable", None
        case MemoryError():
            status, code, param = 503, "out_of_memory", None
        case EngineStopped() | PoolClosed():
            status, code, param = 503, "shutting_down", None
        case DeviceUnavailable() | DeviceLost():
            status, code, param = 503, "device_lost", None
        case _:
            return None
    answer = ApiError(status, str(error) or "not enough memory is left; try again later", param=param, code=code)
    answer.headers["Retry-After"] = f"{getattr(error, 'retry_after_s', _RETRY_AFTER_S):.0f}"
    return answer


def _failed(error: Exception) -> ApiError:
    match error:
        case StepFailed():
            return ApiError(500, str(error), code="backend_failed")
        case TokenizerFailed():
            return ApiError(500, str(error), code="tokenizer_failed")
        case EngineFailed():
            return ApiError(500, str(error), code="engine_failed")
        case SequenceFailed():  # the engine has logged it
            return ApiError(500, str(error), code="internal_error")
    logger.error("a request failed", exc_info=error)
    return ApiError(500, "internal error; the server's log has the details", code="internal_error")
