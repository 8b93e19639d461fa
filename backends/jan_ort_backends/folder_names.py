"""What a model folder is called."""

from __future__ import annotations

from pathlib import Path


def folder_name(folder: Path) -> str:
    """Return the folder's own name; of a snapshot in the Hugging Face hub's cache, that of its repository.

    Such a folder is ``models--ORG--NAME/snapshots/COMMIT``.
    """
    path = folder.resolve()
    repository = path.parents[1].name if path.parent.name == "snapshots" else ""
    return repository.rpartition("--")[2] if repository.startswith("models--") else path.name
