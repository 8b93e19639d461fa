"""What a descriptor answers when it is asked whether it can run here, and whether it opens a folder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Available:
    """The answer of ``probe`` when the backend can run here; ``detail`` is one line for the doctor's report."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """The answer of ``probe`` when the backend cannot run here: why, and the command or action that mends it."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Accepts:
    """The answer of ``accepts`` when the folder is one that the backend can open."""


@dataclass(frozen=True, slots=True)
class Declines:
    """The answer of ``accepts`` when it cannot; the server prints every backend's own reason."""

    reason: str
