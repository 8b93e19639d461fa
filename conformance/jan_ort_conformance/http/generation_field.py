"""The registration of a field that completions and chat share: one detector, one check for each of the two."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper

from jan_ort_conformance.checks import Check, add
from jan_ort_conformance.http.asking import GENERATING, NAMES, Asker
from jan_ort_conformance.results import Level

PathCheck = Callable[[str, Asker], None]


def generation_field(name: str, *members: str, level: Level = Level.FULL) -> Callable[[PathCheck], PathCheck]:
    """Register a detector of the field, and of its ``members`` ("include_usage"), for completions and for chat."""

    def register(function: PathCheck) -> PathCheck:
        for path in GENERATING:
            run = partial(function, path)
            update_wrapper(run, function)
            fields = (f"{path} {name}", *(f"{path} {name}.{member}" for member in members))
            add(Check(f"field.{NAMES[path]}.{name}", run, level, fields[:1], None, fields, False))
        return function

    return register
