"""A model folder with a broken file: refused by a typed error, whichever file it is."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from jan_ort_backends import Accepts, Declines, ModelError, OpenOptions, Session
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.fixture import Fixture
from jan_ort_conformance.verdicts.verdict import Level, NotThere, Violation, expect

TEXT_SUFFIXES = frozenset({".json", ".jinja", ".txt", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".model"})
MAX_TEXT_BYTES = 4 << 20
"""A larger text is a vocabulary or weights; those are linked, not copied."""
MAX_S = 40.0
BREAKINGS = (("emptied", b""), ("replaced by garbage", b"\xff\x00{not json"), ("replaced by []", b"[]"))


@check("opening.refuses_broken_files", level=Level.FULL)
def refuses_broken_files(fixture: Fixture) -> str:
    """With any one small text file of the model broken, ``open`` raises ModelError, or it does not read that file."""
    source = fixture.subject.model_dir
    names = [path.relative_to(source) for path in sorted(source.rglob("*")) if _is_small_text(path)]
    if not names:
        raise NotThere(f"{source} has no text file of at most {MAX_TEXT_BYTES >> 20} MiB")
    started = time.perf_counter()
    num_refused = num_tried = 0
    for name in names:
        for state, content in BREAKINGS:
            folder = _copied(source, fixture.empty_folder() / "model", name)
            (folder / name).write_bytes(content)
            num_refused += _is_refused(fixture, folder, f"with {name.as_posix()} {state}")
            num_tried += 1
            if time.perf_counter() - started > MAX_S:
                total = len(BREAKINGS) * len(names)
                return f"{num_refused} of {num_tried} refused; {total} would take over {MAX_S:g} s"
    return f"{num_refused} of {num_tried} broken folders refused"


def _is_small_text(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in TEXT_SUFFIXES and path.stat().st_size <= MAX_TEXT_BYTES


def _copied(source: Path, target: Path, copied: Path) -> Path:
    """Return ``target``, a copy of the folder: the file ``copied`` is a real one, the others are links where it can."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.relative_to(source) != copied:
            _link(path.resolve(), place)
    return target


def _link(source: Path, place: Path) -> None:
    for link in (os.link, os.symlink):
        try:
            link(source, place)
        except OSError:
            continue  # another file system, or Windows without the privilege
        return
    shutil.copyfile(source, place)


def _is_refused(fixture: Fixture, folder: Path, what: str) -> bool:
    """Return whether the folder is refused. Raises: Violation if that is by another error than ModelError."""
    backend = fixture.subject.backend
    try:
        answer = backend.accepts(folder)
    except Exception as error:
        raise Violation(f"accepts of the folder {what} raised {type(error).__name__}: {error}") from error
    expect(isinstance(answer, Accepts | Declines), f"accepts of the folder {what} returned {answer!r}")
    try:
        session = backend.open(folder, OpenOptions(num_slots=1, extra=dict(fixture.subject.extra)))
    except ModelError as error:
        expect(str(error).strip(), f"open of the folder {what} raised ModelError without a message")
        return True
    except Exception as error:
        told = f"open of the folder {what} raised {type(error).__name__} ({error}) instead of ModelError"
        raise Violation(told) from error
    if isinstance(session, Session):
        session.close()
    return isinstance(answer, Declines)
