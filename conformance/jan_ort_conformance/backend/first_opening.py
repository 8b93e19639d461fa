"""Open the model once before any check, so that a folder that is none is told once and not by every case."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

from jan_ort_backends import ModelError
from jan_ort_conformance.backend.isolation import run_limited
from jan_ort_conformance.backend.subject import Subject

_OPEN = """
import sys
from pathlib import Path
from jan_ort_backends import ModelError
from jan_ort_conformance.backend.subject import Subject
try:
    Subject.from_json(sys.argv[1]).open(num_slots=1, context_length=None).close()
except ModelError as error:
    Path(sys.argv[2]).write_text(str(error), encoding="utf-8")
"""


def expect_model(subject: Subject, time_limit_s: float | None) -> None:
    """Open the subject's model and close it, in a child process unless ``time_limit_s`` is None.

    Raises: ModelError if the backend refuses the folder. Whatever else goes wrong is for the checks to judge.
    """
    if not subject.model_dir.exists():
        raise ModelError(f"{subject.model_dir} does not exist; give the folder of a model")
    if time_limit_s is None:
        _open_here(subject)
        return
    with tempfile.TemporaryDirectory(prefix="jan-ort-kit-") as folder:
        refusal = Path(folder) / "refusal"
        command = [sys.executable, "-c", _OPEN, subject.to_json(), str(refusal)]
        run_limited(command, Path(folder) / "stderr", time_limit_s)
        if refusal.exists():
            raise ModelError(refusal.read_text(encoding="utf-8"))


def _open_here(subject: Subject) -> None:
    refusal: ModelError | None = None
    with contextlib.suppress(Exception, SystemExit):  # the checks will meet it again, and judge it
        try:
            subject.open(num_slots=1, context_length=None).close()
        except ModelError as error:
            refusal = error
    if refusal is not None:
        raise refusal
