"""Packages of onnxruntime-genai in a repository: a folder each for a processor or precision, as Microsoft publishes."""

from __future__ import annotations

from collections.abc import Sequence

CONFIGURATION = "genai_config.json"
_LEFT = (".py", ".md", ".gitattributes")


def find_packages(names: Sequence[str]) -> list[str]:
    """Return the folders that hold a package, relative and with slashes; "" is the repository's own."""
    folders = [name.rpartition("/")[0] for name in names if name.rpartition("/")[2] == CONFIGURATION]
    return [folder for folder in folders if any(name.endswith(".onnx") for name in files_in(folder, names))]


def choose_package(packages: Sequence[str], folder: str | None) -> str | None:
    """Return ``folder`` if it is a package or holds one, else one that is made for CPUs, else an only one, or None."""
    inside = [each for each in packages if folder is None or f"{each}/".startswith(f"{folder}/")]
    for_cpu = [each for each in inside if "cpu" in each.lower()]
    return next(iter(for_cpu), inside[0] if len(inside) == 1 else None)


def files_in(folder: str, names: Sequence[str]) -> list[str]:
    """Return the files of a package, which has no folders of its own."""
    return [name for name in names if name.rpartition("/")[0] == folder and not name.endswith(_LEFT)]
