"""A request's body to its model, with exactly JSON Schema's verdict (hop 2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from jan_ort_openapi.body_errors import SchemaViolation, Violation
from jan_ort_openapi.body_size import MAX_VALUES, check_size
from jan_ort_openapi.json_text import decode_json

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]

MAX_VIOLATIONS = 50
MAX_MESSAGE_LENGTH = 300
_SHOULD_BE = "Input should be "
_OURS = re.compile(r" or (instance of \w+|object to extract fields from)$")
"""How pydantic names classes of ours, which no client knows."""

_EMPTY_LIST = ("list[any]",)
"""The branch that takes PHP's empty list for an object: nothing that a client is told to send."""

MAX_NAME_LENGTH = 100
"""Characters that an error repeats of a field's name: the client chooses the keys of a map."""


def parse_body(
    model: type[Model],
    body: bytes,
    max_values: int = MAX_VALUES,
    *,
    step: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Model:
    """Return ``body`` as ``model``; fields unknown to the schema are in ``model_extra``.

    Each part of the work that holds the interpreter's lock is done inside a ``step()``.
    Raises: TooManyValues (400) if the body holds more than ``max_values``; MalformedBody (400) if it is no JSON text
    that we can represent; SchemaViolation (422) if it is JSON that the schema rejects.
    """
    with step():
        check_size(body, [field.alias or name for name, field in model.model_fields.items()], max_values)
    with step():
        value = decode_json(body)
    with step():
        return validated(model, value)


def validated(model: type[Model], value: Any) -> Model:
    """Return JSON that has been read as ``model``. Raises: SchemaViolation (422)."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _violation(error, value) from None


def _violation(error: ValidationError, value: Any) -> SchemaViolation:
    errors = error.errors(include_url=False, include_input=False)[:MAX_VIOLATIONS]
    paths = [_path(entry, value) for entry in errors]
    detail = [
        # The message of an unknown role repeats it, however long it is.
        Violation(loc=["body", *path], msg=_OURS.sub("", entry["msg"][:MAX_MESSAGE_LENGTH]), type=entry["type"])
        for path, entry in zip(paths, errors, strict=True)
    ]
    # A union reports each branch; those that got furthest into the first failing field say what is wrong, and a wrong
    # value says more than a field that is missing beside it.
    first = [index for index, path in enumerate(paths) if path[:1] == paths[0][:1]]
    likely = [index for index in first if errors[index]["loc"][-1:] != _EMPTY_LIST] or first
    furthest = max(likely, key=lambda index: (len(paths[index]), errors[index]["type"] != "missing"))
    branches = dict.fromkeys(detail[index]["msg"] for index in likely if paths[index] == paths[furthest])
    return SchemaViolation(detail, ".".join(map(str, paths[furthest])) or None, _either(list(branches)))


def _either(messages: list[str]) -> str:
    """Return as one message what the branches of a union say of the same value."""
    if not all(each.startswith(_SHOULD_BE) for each in messages):
        return "; or ".join(messages)
    return _SHOULD_BE + ", or ".join(each.removeprefix(_SHOULD_BE) for each in messages)


def _path(entry: ErrorDetails, value: Any) -> Location:
    """Return the error's location without the names of union branches, which are no part of the body."""
    path: list[str | int] = []
    for step in entry["loc"]:
        if _holds(value, step):
            value = value[step]
            path.append(step[:MAX_NAME_LENGTH] if isinstance(step, str) else step)
    if entry["type"] == "missing":
        path.append(entry["loc"][-1])
    if entry["type"].startswith("union_tag"):
        path.append(entry["ctx"]["discriminator"].strip("'"))
    return tuple(path)


def _holds(value: Any, step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int)
