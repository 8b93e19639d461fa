"""Variables of the environment that were meant as settings and are none."""

from __future__ import annotations

import os
from collections.abc import Collection
from difflib import get_close_matches

from jan_ort.settings.files import SettingsError

PREFIX = "JAN_ORT_"
_ALIKE = 0.75
"""Similarity from which a name is taken for a misspelt one; other names may be a plugin's own or Kubernetes'."""


def check_variables(known: Collection[str]) -> None:
    """Check that no variable is a misspelt setting, which would be ignored. Raises: SettingsError."""
    for variable, value in os.environ.items():
        name = variable.upper().removeprefix(PREFIX).lower()
        if not value or not variable.upper().startswith(PREFIX) or name in known:
            continue
        if close := get_close_matches(name, known, n=1, cutoff=_ALIKE):
            raise SettingsError(f"the variable {variable} is no setting; did you mean {PREFIX}{close[0].upper()}?")


def remedy(name: str, value: object) -> str:
    """Return what else there is to say of a wrong value, "" if nothing."""
    if name == "port" and isinstance(value, str) and value.startswith("tcp://"):
        return (
            "; Kubernetes sets that for a service named jan-ort: set JAN_ORT_PORT, or enableServiceLinks: false, in "
            "the pod, or rename the service"
        )
    return ""
