"""The strict base class of every generated model: JSON Schema's notion of types, unknown fields kept."""

from __future__ import annotations

import functools
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema


class StrictModel(BaseModel):
    """Validate without coercion; keep fields that the schema does not name in ``model_extra``.

    An absent field without a default reads None if the schema allows null, else ``pydantic.MISSING``. Null for an
    optional field that reads something else is as if the field were absent.
    """

    model_config = ConfigDict(
        strict=True,
        extra="allow",
        allow_inf_nan=False,
        serialize_by_alias=True,
        protected_namespaces=(),
        defer_build=True,  # a process that parses no request does not pay for the validators
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: Any) -> Any:
        """Leave out each null that stands for "not given"."""
        if not isinstance(given, dict) or None not in given.values():
            return given
        meaningless = _never_null(cls)
        return {name: value for name, value in given.items() if value is not None or name not in meaningless}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let every array and map stop at its first error.

        Otherwise an array of two million wrong items is reported item by item, union branch by union branch: 34 s of
        a blocked event loop for a body of 12 MB.
        """
        schema = handler(source)
        _fail_fast(schema)
        return schema


@functools.cache
def _never_null(model: type[BaseModel]) -> frozenset[str]:
    """Return the optional fields whose type has no null, by the names that bodies have."""
    fields = model.model_fields.items()
    return frozenset(
        field.alias or name
        for name, field in fields
        if not field.is_required() and NoneType not in get_args(field.annotation)
    )


def _fail_fast(node: Any) -> None:
    """Set ``fail_fast`` on each list and dict schema in a core schema, in place."""
    if isinstance(node, dict):
        if node.get("type") in ("list", "dict"):
            node["fail_fast"] = True
        for child in node.values():
            _fail_fast(child)
    elif isinstance(node, list | tuple):
        for child in node:
            _fail_fast(child)
