"""Whether a server that needs no key would listen to other machines."""

from __future__ import annotations

import shlex

from jan_ort.http.auth import is_loopback
from jan_ort.settings.schema import Settings


class ExposureError(Exception):
    """Raised when the settings would serve other machines without a key, and nobody has said that this is meant."""


def check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond this machine without a key, unless told so explicitly. Raises: ExposureError."""
    loopback = settings.host == "localhost" or is_loopback(settings.host)
    if settings.api_key is None and not settings.allow_unauthenticated and not loopback:
        raise ExposureError(
            f"--host {shlex.quote(settings.host)} is reachable from other machines: give --api-key KEY, or say "
            "--allow-unauthenticated to serve without one"
        )
