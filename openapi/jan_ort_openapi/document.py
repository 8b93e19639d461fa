"""The bundled OpenAPI document, as it is and with our overlay applied."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any


def load_spec(*, pristine: bool = False) -> dict[str, Any]:
    """Return a fresh copy of the document with the overlay applied, or of the bundled one alone if ``pristine``."""
    spec: dict[str, Any] = json.loads(_read("openapi.json") if pristine else spec_bytes())
    return spec


@functools.cache
def spec_bytes() -> bytes:
    """Return document and overlay as compact JSON in UTF-8: the body of ``/openapi.json``.

    scripts/generate_models.py writes it, as it does the models.
    """
    return _read("generated.json")


def _read(name: str) -> bytes:
    return resources.files("jan_ort_openapi").joinpath(name).read_bytes()
