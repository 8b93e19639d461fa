"""The kinds of step that a session without mixed_batch takes."""

from __future__ import annotations

from collections.abc import Sequence

from jan_ort_backends import BadInput, SlotTokens


def check_kind(batch: Sequence[SlotTokens], lengths: Sequence[int]) -> None:
    """Check that several rows have one token each, or only empty slots. Raises: BadInput naming the slot."""
    if len(batch) == 1 or all(len(row.token_ids) == 1 for row in batch):
        return
    for row in batch:
        if lengths[row.slot]:
            raise BadInput(
                "batch",
                f"slot {row.slot} holds {lengths[row.slot]} tokens, and several rows of several tokens need empty "
                "slots; this backend does not declare mixed_batch",
            )
