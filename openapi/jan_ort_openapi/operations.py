"""The operations of the contract, for the server to bind its routes by ``operationId`` (hop 2)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from jan_ort_openapi import models
from jan_ort_openapi.document import load_spec

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: ``method`` in upper case, ``path`` as the document writes it ("/v1/models/{model}").

    ``request_model`` is None for an operation without a body; ``secured`` says whether it needs the API key.
    """

    method: str
    path: str
    operation_id: str
    request_model: type[BaseModel] | None
    secured: bool

    @property
    def changes_server(self) -> bool:
        """Whether it changes what the server does for others, and so may need the admin key."""
        return self.path.startswith("/models/")


@functools.cache
def operations() -> tuple[Operation, ...]:
    """Return every operation of document and overlay, in their order."""
    spec = load_spec()
    return tuple(
        Operation(
            method=method.upper(),
            path=path,
            operation_id=operation["operationId"],
            request_model=_request_model(operation),
            secured=bool(operation.get("security", spec.get("security"))),
        )
        for path, item in spec["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    )


def _request_model(operation: dict[str, Any]) -> type[BaseModel] | None:
    if "requestBody" not in operation:
        return None
    reference: str = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    model: type[BaseModel] = getattr(models, reference.rpartition("/")[2])
    return model
