"""Every check of the backend kit, in the order in which they run: that in which to mend what fails."""

from __future__ import annotations

from jan_ort_conformance.backend.check_tools.backend_check import CHECKS, BackendCheck
from jan_ort_conformance.backend.checks import (
    batches,
    broken_files,
    checkpoints,
    descriptor,
    embeddings,
    forks,
    images,
    interrupts,
    logits,
    long_contexts,
    long_prompts,
    many_slots_and_last_ids,
    opening,
    prefill,
    refused_input,
    sessions,
    slots,
    states,
    top_logits,
)
from jan_ort_conformance.verdicts.selection import chosen, in_order, require_matches
from jan_ort_conformance.verdicts.verdict import Level

IN_ORDER = (
    # What fails here makes others fail too.
    descriptor,
    broken_files,
    opening,
    refused_input,
    slots,
    logits,
    # These build on none but the former.
    batches,
    checkpoints,
    embeddings,
    forks,
    images,
    interrupts,
    long_contexts,
    long_prompts,
    many_slots_and_last_ids,
    prefill,
    sessions,
    states,
    top_logits,
)


def select(level: Level = Level.STRICT, patterns: tuple[str, ...] = ()) -> list[BackendCheck]:
    """Return the checks of a level whose ids match a pattern (``fnmatch``), or all for none, in the order to mend in.

    Raises: PatternError for a pattern that matches none of them.
    """
    require_matches(patterns, (entry.id for entry in chosen(CHECKS.values(), level)), CHECKS)
    return chosen(in_order(CHECKS.values(), IN_ORDER), level, patterns)
