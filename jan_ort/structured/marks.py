"""What ends parts of a call that are no JSON (hop 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Marks(NamedTuple):
    """What ends parts of a call, the innermost first: texts, and special tokens by their ids.

    ``are_all_needed`` says that without them the arguments are not whole.
    """

    texts: Sequence[Sequence[str | int]]
    are_all_needed: bool


NO_MARKS = Marks((), are_all_needed=False)
