"""Which distributions of ONNX Runtime are installed: flavours, which overwrite one another, and providers' libraries.

A distribution's own list of files tells: all flavours share the import name ``onnxruntime``, whatever they are called.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from jan_ort_backends import Available, Missing

_FAMILY = "onnxruntime"
_RUNTIME = re.compile(r"^onnxruntime[/\\]__init__\.py,", re.MULTILINE)
_PACKAGE = re.compile(r"^((onnxruntime\w+)(?:[/\\]__init__)?\.py),", re.MULTILINE)
_SAYS_WHAT_IT_BRINGS = re.compile(r"\bget_ep_names?\b|\bEP_NAME\b")
"""What ONNX Runtime's documentation asks of a package that brings a provider as a library, and what one has instead."""

MINIMUM_VERSION = (1, 24)
"""onnxruntime-directml ended at 1.24, so nothing newer may be required."""


def installed_flavours() -> dict[str, str]:
    """Return name and version of every distribution that installs ``onnxruntime`` itself, without importing any."""
    found = {name: release for name, release, _, files in _family() if _RUNTIME.search(files)}
    return dict(sorted(found.items()))


def provider_packages() -> dict[str, str]:
    """Return the import name of each distribution that brings providers as a library, by the distribution's name.

    Nothing is imported: packages beside ONNX Runtime that bring something else are many, and slow to import.
    """
    found: dict[str, str] = {}
    for name, _, folder, files in _family():
        for file, package in _PACKAGE.findall(files):
            path = folder / file
            if path.is_file() and _SAYS_WHAT_IT_BRINGS.search(path.read_text("utf-8", "replace")):
                found[name] = package
    return found


def _family() -> Iterator[tuple[str, str, Path, str]]:
    """Yield name, version, folder and list of files of each distribution whose name begins like the runtime's.

    Of no other is anything read: that would take 35 ms per hundred. Name and version are those of its own folder, and
    an empty folder, which a removal that was cut off leaves, is none: so no damaged distribution hides the others.
    """
    folders = (folder for entry in sys.path for folder in Path(entry or ".").glob(f"{_FAMILY}*.dist-info"))
    seen = set()
    for folder in folders:
        begin, _, release = folder.name.removesuffix(".dist-info").partition("-")
        name = re.sub(r"[-_.]+", "-", begin).lower()
        listed = folder / "RECORD"
        is_listed = listed.is_file()
        if name not in seen and (is_listed or (folder / "METADATA").is_file()):  # the first on the path counts
            seen.add(name)
            files = listed.read_text("utf-8", "replace") if is_listed else ""
            yield name, release, folder.parent, files or _guessed_files(name, folder.parent)


def _guessed_files(name: str, folder: Path) -> str:
    """Return a list of one file for a distribution without a list, as some packagers leave none."""
    module = name.replace("-", "_")
    files = (file for file in (f"{module}/__init__.py", f"{module}.py") if (folder / file).is_file())
    return next(files, "onnxruntime/__init__.py") + ",,"


def probe_flavours(flavours: Mapping[str, str]) -> Available | Missing:
    """Judge what is installed: exactly one flavour, of a version that this backend knows."""
    if len(flavours) > 1:
        names = " ".join(flavours)
        return Missing(
            f"{len(flavours)} flavours of onnxruntime are installed over one another: {names.replace(' ', ', ')}",
            f"pip uninstall -y {names}, then install the one that you want",
        )
    if not flavours:
        if importlib.util.find_spec(_FAMILY) is not None:
            return Available("onnxruntime of unknown version, without metadata")
        return Missing("onnxruntime is not installed", "pip install onnxruntime")
    ((name, release),) = flavours.items()
    if importlib.util.find_spec(_FAMILY) is None:
        return Missing(f"{name} {release} is installed without its files", f"pip install --force-reinstall {name}")
    if _release(release) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        return Missing(f"{name} {release} is older than {wanted}", f'pip install --upgrade "{name}>={wanted}"')
    return Available(f"{name} {release}")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
