"""The page docs/planted-faults.md; ``python -m tests.conformance.kit.planted_page`` writes it."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.backend import (
    broken_caches,
    broken_checkpoints,
    broken_descriptors,
    broken_ends,
    broken_images,
    broken_interrupts,
    broken_slots,
    broken_states,
    broken_steps,
)
from tests.conformance.backend.broken import FAULTS as BACKEND_FAULTS
from tests.conformance.kit.planted import FAULTS

PAGE = Path(__file__).parents[3] / "docs" / "planted-faults.md"

assert broken_caches, "imported for its faults, as the others"
assert broken_checkpoints
assert broken_descriptors
assert broken_ends
assert broken_images
assert broken_interrupts
assert broken_slots
assert broken_states
assert broken_steps


def planted_page() -> str:
    """Return the page: every fault of both kits, with the check that catches it."""
    http = [f"| `{fault.name}` | `{fault.caught_by}` |" for fault in FAULTS]
    backend = [
        f"| `{fault.name}` | {fault.verdict} | `{fault.caught_by}` |"
        for fault in sorted(BACKEND_FAULTS.values(), key=lambda fault: fault.caught_by)
    ]
    lines = [
        "# Planted faults, and the check that catches each",
        "",
        "Written by `python -m tests.conformance.kit.planted_page`; a test fails while it is not up to date. What each",
        "fault does is in `tests/conformance/kit/` and `tests/conformance/backend/`, whose tests plant it into a sound",
        "server or backend and assert that this check judges it FAIL or LIES.",
        "",
        f"## HTTP kit: {len(http)} faults",
        "",
        "| fault | caught by |",
        "|---|---|",
        *http,
        "",
        f"## Backend kit: {len(backend)} faults",
        "",
        "| fault | verdict | caught by |",
        "|---|---|---|",
        *backend,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(planted_page(), encoding="utf-8")
