"""What the bytes of a saved slot depend on: where any of it is another, its keys and values may be others, too."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnxruntime as ort

from jan_ort_backends import SessionInfo
from jan_ort_backends.file_samples import file_samples
from jan_ort_onnxruntime.providers.processor import processor

FORMAT = 1
"""To be raised when a session writes the same keys and values in another form or order."""


def state_key(info: SessionInfo, session_kind: str, graph: Path, rewritten: bytes | None) -> str:
    """Return a text of the graph, its weights, the session that runs it, the runtime, the provider and the machine.

    The type of the cache is the graph's. ``rewritten`` is what is run in place of the graph's file, if anything is.
    """
    digest = hashlib.sha256()
    for sample in file_samples(graph) if rewritten is None else (rewritten,):
        digest.update(sample)
    return "/".join(
        (
            f"onnxruntime {ort.__version__}",
            f"{session_kind} {FORMAT}",
            info.device.used,
            digest.hexdigest(),
            info.weights_hash,
            processor(),
        )
    )
