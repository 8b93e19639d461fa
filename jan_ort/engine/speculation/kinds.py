"""The kinds of speculation by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jan_ort.engine.speculation.drafter import Drafter
from jan_ort.engine.speculation.ngram import NgramDrafter

DRAFTERS: Mapping[str, Callable[[], Drafter]] = {"ngram": NgramDrafter}
