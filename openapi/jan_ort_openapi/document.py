"""The bundled OpenAPI document, as it is and with our overlay applied."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from jan_ort_openapi.overlay import apply_overlay


def load_spec(*, pristine: bool = False) -> dict[str, Any]:
    """Return the document with the overlay applied, or the bundled one alone if ``pristine``; a fresh copy each time.

    Raises: OverlayError if the overlay does not fit the document.
    """
    spec: dict[str, Any] = json.loads(_read("openapi.json") if pristine else spec_bytes())
    return spec


@functools.cache
def spec_bytes() -> bytes:
    """Return document and overlay as compact JSON in UTF-8: the body of ``/openapi.json``."""
    spec = apply_overlay(load_spec(pristine=True), json.loads(_read("overlay.json")))
    return json.dumps(spec, ensure_ascii=False, separators=(",", ":")).encode()


def _read(name: str) -> bytes:
    return resources.files("jan_ort_openapi").joinpath(name).read_bytes()
