"""What every conversion writes beside the graph: jan_ort.json, and configuration files in one form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jan_ort.ground.file_blocks import sha256_in_blocks
from jan_ort.ground.progress import silent
from jan_ort.ground.task import Task

_FORMAT = 1


def describe(
    *, name: str, task: Task, context_length: int, weights: str, source: Path, sha256: str | None = None
) -> dict[str, Any]:
    """Return the content of jan_ort.json; ``source`` is the file that the weights were read from.

    It is read for its ``sha256`` if that is not known.
    """
    return {
        "format": _FORMAT,
        "name": name,
        "task": task.name,
        "context_length": context_length,
        "weights": weights,
        "source": {"file": source.name, "sha256": sha256 or sha256_in_blocks(source, silent)},
    }


def write_json(path: Path, content: Any) -> None:
    """Write a configuration file, readable by people too."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
