"""A profile: a surface that a server may have beside chat, completions and embeddings, and is judged where it does.

To add one, write a file of checks that begins with its ``PROFILE``, and name the file in ``IN_ORDER``: all that is said
of profiles, the option ``--profile`` and the sections of the reports, follows from that.
"""

from __future__ import annotations

from dataclasses import dataclass

BASE = "base"
"""What every server is asked, and what the files of checks are that name no profile."""


@dataclass(frozen=True, slots=True)
class Profile:
    """``paths`` are the operations that it has for itself, which are fuzzed with it; a profile of fields has none."""

    name: str
    paths: tuple[str, ...] = ()
