"""What every download shares: checking what came, and saying what helps where nothing did."""

from __future__ import annotations

from pathlib import Path

from jan_ort.ground.errors import FetchError
from jan_ort.models.catalog import Task
from jan_ort.models.file_blocks import sha256_in_blocks


def offline_remedies(task: Task, *others: str) -> str:
    """Return the end of a message: all that helps when a model for ``task`` cannot be downloaded."""
    option = "--model FOLDER|FILE.gguf" if task == "generate" else "--embedding-model FOLDER"
    choices = [f"Connect to the network, or pass {option}", *others]
    return ", or ".join([*choices, "set JAN_ORT_CACHE_DIR to a cache that has the model"])


def verify_sha256(path: Path, expected: str, origin: str) -> None:
    """Check the file's content. Raises: FetchError that names both checksums and ``origin``, the place it is from."""
    if (found := sha256_in_blocks(path)) != expected:
        raise FetchError(
            f"{path.name} from {origin} has the sha256 {found}, expected {expected}: it was damaged or replaced on "
            "its way; try again, and if it stays so, do not use that source"
        )
