"""Every check of the kit; importing this package registers them."""

from jan_ort_conformance.backend.checks import (
    batches,
    broken_files,
    descriptor,
    embeddings,
    forks,
    interrupts,
    logits,
    long_prompts,
    opening,
    prefill,
    refused_input,
    sessions,
    slots,
    top_logits,
)

__all__ = [
    "batches",
    "broken_files",
    "descriptor",
    "embeddings",
    "forks",
    "interrupts",
    "logits",
    "long_prompts",
    "opening",
    "prefill",
    "refused_input",
    "sessions",
    "slots",
    "top_logits",
]
