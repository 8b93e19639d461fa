"""One file to attach to a bug report: the doctor's report, the last log, and the last requests that failed."""

from __future__ import annotations

import io
import json
import logging
import os
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jan_ort.cli.doctor.rendering import render
from jan_ort.cli.doctor.report import DoctorReport
from jan_ort.ground.secrets_removed import SecretRemover
from jan_ort.http.bug_records.failed_requests import filled
from jan_ort.http.bug_records.filler import Filler
from jan_ort.http.bug_records.record_folder import LOG, REQUEST, kept, record_folder, write_private
from jan_ort.settings.schema import Settings, SettingsError

logger = logging.getLogger(__name__)

_NEEDED = ("cache_dir", "api_key", "api_key_file", "admin_key", "bug_records")

_MAX_PART_BYTES = 2**20
"""What is read of a record: the server writes less, and others may write to its folder, too."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a bundle: its name, its text, and what a user is told that it holds."""

    name: str
    text: str
    about: str


def bundle_parts(report: DoctorReport, flags: Mapping[str, object], *, with_prompts: bool) -> list[Part]:
    """Return what a bundle holds, without secrets; of requests only their shape unless ``with_prompts``."""
    settings = _settings(flags)
    remover = SecretRemover(settings.secrets)
    plain = remover.value(asdict(report))
    parts = [
        Part("report.txt", remover.text(render(report)) + "\n", "versions, devices, backends, models and settings"),
        Part("report.json", json.dumps(plain, indent=2), "the same for programs"),
    ]
    folder = record_folder(settings.cache_dir)
    parts += _log(folder, remover)
    for number, path in enumerate(kept(folder, REQUEST), 1):
        parts += _request(number, path, remover, with_prompts)
    return parts


def missing(parts: Sequence[Part], flags: Mapping[str, object]) -> Iterator[str]:
    """Say what a bundle does not hold, and why."""
    settings = _settings(flags)
    place = record_folder(settings.cache_dir)
    reason = "bug_records is off" if settings.bug_records == "off" else f"{place} has none that may be read"
    for name, what in ((LOG, "log of a server"), (REQUEST, "request that failed (5xx)")):
        if not any(part.name.startswith(name) for part in parts):
            yield f"no {what}: {reason}"


def default_bundle() -> Path:
    """Return the file for a bundle where none was named."""
    return Path(f"jan-ort-bundle-{time.strftime('%Y%m%d-%H%M%S')}.zip")


def write_bundle(path: Path, parts: Sequence[Part]) -> None:
    """Write a new file that only this user may read. Raises: OSError, FileExistsError if there is one of that name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            archive.writestr(part.name, part.text.encode("utf-8", "backslashreplace"))
    write_private(path, packed.getvalue())


def _settings(flags: Mapping[str, object]) -> Settings:
    """Return what is needed of the settings, the defaults where they cannot be read: the report says why."""
    try:
        return Settings.read_only(_NEEDED, **flags)
    except SettingsError:
        return Settings.model_construct()


def _log(folder: Path, remover: SecretRemover) -> list[Part]:
    """Return the newest log, with what it went over from."""
    newest = next((path for path in kept(folder, LOG) if path.suffix == ".txt"), None)
    if newest is None:
        return []
    texts = [_read(path) for path in (newest.with_name(f"{newest.name}.1"), newest) if path.exists()]
    return [Part("log.txt", remover.text("".join(texts)), f"the last log, {newest.name}")]


def _request(number: int, path: Path, remover: SecretRemover, with_prompts: bool) -> list[Part]:
    try:
        record: dict[str, Any] = json.loads(_read(path))
        body = record.pop("body")
        if not with_prompts and record["content"] != _FILLER:
            filler = Filler(frozenset(record["served"]))
            body, record["message"] = filled(body, str(record["message"]), filler)
            record["content"] = _FILLER
        asked = f"{record['method']} {record['path']}, answered {record['status']} ({record['code']})"
    except (ValueError, TypeError, KeyError, AttributeError):  # one that was cut, or is none of ours
        return []
    name = f"{REQUEST}-{number}"
    again = f"curl -X {record['method']} -H 'Content-Type: application/json' -d @{name}.json URL{record['path']}"
    about = remover.value({**record, "send it again": again})
    parts = [Part(f"{name}.about.json", json.dumps(about, indent=2), remover.text(asked))]
    if body is not None:
        text = json.dumps(remover.value(body), ensure_ascii=False)
        parts.append(Part(f"{name}.json", text, f"its body, with {record['content']} for what it said"))
    return parts


_FILLER = "filler of the same length"


def _read(path: Path) -> str:
    """Return the end of a file, nothing of one that is gone by now or that this user may not read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _MAX_PART_BYTES))
            return file.read(_MAX_PART_BYTES).decode("utf-8", "replace")
    except OSError as error:
        logger.warning("%s is not in the bundle: %s", path, error.strerror)
        return ""
