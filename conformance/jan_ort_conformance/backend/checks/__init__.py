"""Every check of the kit; importing this package registers them."""

from jan_ort_conformance.backend.checks import (
    batches,
    descriptor,
    embeddings,
    forks,
    interrupts,
    logits,
    opening,
    prefill,
    refused_input,
    sessions,
    slots,
    top_logits,
)

__all__ = [
    "batches",
    "descriptor",
    "embeddings",
    "forks",
    "interrupts",
    "logits",
    "opening",
    "prefill",
    "refused_input",
    "sessions",
    "slots",
    "top_logits",
]
