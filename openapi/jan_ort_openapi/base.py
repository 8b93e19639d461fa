"""The strict base class of every generated model: JSON Schema's notion of types, unknown fields kept."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema


class StrictModel(BaseModel):
    """Validate without coercion; keep fields that the schema does not name in ``model_extra``.

    An absent field without a default reads None if the schema allows null, else ``pydantic.MISSING``.
    """

    model_config = ConfigDict(
        strict=True,
        extra="allow",
        allow_inf_nan=False,
        serialize_by_alias=True,
        protected_namespaces=(),
        defer_build=True,  # a process that parses no request does not pay for the validators
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let every array and map stop at its first error.

        Otherwise an array of two million wrong items is reported item by item, union branch by union branch: 34 s of
        a blocked event loop for a body of 12 MB.
        """
        schema = handler(source)
        _fail_fast(schema)
        return schema


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
