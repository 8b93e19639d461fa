"""What a cached folder is of, and the sizes that its files must have."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jan_ort.convert.folder_files import CONVERTER_VERSION
from jan_ort.ground.json_object import read_object_or_empty
from jan_ort.models.folder_files import MANIFEST

_CONVERTED = "jan_ort.json"
"""What every conversion writes; a folder without it is as its maker left it, and no version of ours matters."""

_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)\.")
"""What Windows takes for a device, whatever follows the point."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What decides the content of a converted folder.

    ``name`` is the display name; ``source`` a sha256 that identifies the source; ``weights`` the scheme of weights.
    ``any_name``: what was made of the same source under another name will do.
    """

    name: str
    source: str
    weights: str
    converter_version: int = CONVERTER_VERSION
    any_name: bool = False

    @property
    def folder_name(self) -> str:
        """Return a file name that differs whenever the key does."""
        slug = re.sub(r"[^a-z0-9.]+", "-", self.name.lower()).strip("-.")[:60]
        if _DEVICE.match(slug):
            slug = f"model-{slug}"
        return f"{slug}{self._ending}"

    @property
    def _ending(self) -> str:
        return f"-{self.weights}-{self.source[:16]}-v{self.converter_version}"

    def named_otherwise(self, models: Path) -> Iterator[Path]:
        """Yield the whole folders in ``models`` that have another name and the same content."""
        for folder in sorted(models.glob(f"*{self._ending}")):
            manifest = read_object_or_empty(folder / MANIFEST)
            is_same = (manifest.get("source"), manifest.get("weights")) == (self.source, self.weights)
            if is_same and folder.name != self.folder_name and find_damage(folder) is None:
                yield folder


def is_current(folder: Path) -> bool:
    """Say whether a cached folder is what would be made now: one that was converted must be of this version."""
    version = read_object_or_empty(folder / MANIFEST).get("converter_version")
    return version == CONVERTER_VERSION or not (folder / _CONVERTED).exists()


def combined_sha256(digests: Mapping[str, str]) -> str:
    """Return one checksum for several files, by name; that of a single file is its own."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_manifest(folder: Path, key: CacheKey) -> None:
    """Record every file's size in ``folder``, and have the disk store them all before the folder may be renamed.

    A file with other links was there before: it is stored already, and perhaps not ours to write.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        if path.stat().st_nlink == 1:
            _sync(path)
    manifest = folder / MANIFEST
    content = {
        "format": 1,
        "name": key.name,
        "source": key.source,
        "weights": key.weights,
        "converter_version": key.converter_version,
        "files": {path.relative_to(folder).as_posix(): path.stat().st_size for path in files},
    }
    manifest.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _sync(manifest)


def find_damage(folder: Path) -> str | None:
    """Say which file of a cached folder is missing or has another size than its manifest says; None if none has."""
    sizes = read_object_or_empty(folder / MANIFEST).get("files")
    if not isinstance(sizes, dict):
        return f"{MANIFEST} is missing or unreadable"
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if (found := path.stat().st_size) != size:
            return f"{name} has {found} of {size} bytes"
    return None


def _sync(path: Path) -> None:
    with path.open("r+b") as stream:
        os.fsync(stream.fileno())
