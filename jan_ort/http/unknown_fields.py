"""What a request has that nobody knows: allowed by the document, without effect, and logged once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel

from jan_ort.http.reading.harmless_fields import HARMLESS
from jan_ort.http.reading.other_names import HONOURED
from jan_ort.http.reading.refused_fields import MEMBERS, REFUSED
from jan_ort.http.reading.refused_of_texts import Fields
from jan_ort_openapi.models import CreateChatCompletionRequest, CreateResponseRequest

_BORROWED: Mapping[type[BaseModel], type[BaseModel]] = {CreateResponseRequest: CreateChatCompletionRequest}
"""Bodies that may also have the fields of another one."""

_KNOWN = HONOURED | HARMLESS

logger = logging.getLogger(__name__)

_MAX_NAMED = 1000
"""Fields that the log names at most: clients choose their names."""
_MAX_NAME_LENGTH = 100


class UnknownFields:
    """Names each unknown field of each operation in the log, the first time that a request has it."""

    def __init__(self) -> None:
        self._named: set[tuple[str, str]] = set()

    def log(self, operation_id: str, body: BaseModel) -> None:
        """Log the fields of ``body``, and of the objects in it, that the API does not have."""
        for path in (each[:_MAX_NAME_LENGTH] for each in islice(_unknown(body, ""), _MAX_NAMED)):
            if len(self._named) < _MAX_NAMED and (operation_id, path) not in self._named:
                self._named.add((operation_id, path))
                logger.warning("%s: the field %.80r is not part of the API and has no effect", operation_id, path)


def _refused(model: type[BaseModel], path: str) -> Fields:
    """Return the fields that are refused, or ask for nothing: the line would be wrong, or say nothing."""
    return REFUSED.get(model, {}) if not path else MEMBERS.get(path.removesuffix("[]"), {})


def _unknown(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of unknown fields below ``value``, without the places in arrays."""
    if isinstance(value, BaseModel):
        prefix = f"{path}." if path else ""
        lender = _BORROWED.get(type(value), type(value))
        known = (lender.model_fields, _refused(type(value), path), _refused(lender, path))
        for name in value.model_extra or ():
            if f"{prefix}{name}" not in _KNOWN and not any(name in names for names in known):
                yield f"{prefix}{name}"
        for name in value.model_fields_set & type(value).model_fields.keys():
            yield from _unknown(getattr(value, name), f"{prefix}{name}")
    elif isinstance(value, list) and value and isinstance(value[0], BaseModel):  # not through a million token ids
        for entry in value:
            yield from _unknown(entry, f"{path}[]")
