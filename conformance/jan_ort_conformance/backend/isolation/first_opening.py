"""Open the model once before any check, so that a folder that is none is told once and not by every case."""

from __future__ import annotations

import contextlib
import json
import threading

from jan_ort_backends import ModelError
from jan_ort_conformance.backend.isolation.child_process import GRACE_S, ask_child, write_answer
from jan_ort_conformance.backend.subject import Subject

_OPEN = ("-c", f"import sys; from {__name__} import open_once; open_once(*sys.argv[1:])")


def expect_model(subject: Subject, time_limit_s: float | None) -> list[str]:
    """Open the subject's model and close it, in a child process unless ``time_limit_s`` is None; return warnings.

    Raises: ModelError if the backend refuses the folder, or does not come back from opening it. Whatever else goes
    wrong is for the checks to judge.
    """
    if not subject.model_dir.exists():
        raise ModelError(f"{subject.model_dir} does not exist; give the folder of a model")
    if time_limit_s is None:
        _raise_refusal(_refusal(subject))
        return []
    ended = ask_child(_OPEN, (subject.to_json(),), time_limit_s)
    if ended.is_late:
        raise ModelError(
            f"opening {subject.model_dir} and closing it did not end within {time_limit_s:g} s; where it hangs is for "
            "its author to find; if it is only slow, allow more by --time-limit, or give a smaller model"
        )
    answer = json.loads(ended.answer or "{}")
    _raise_refusal(answer.get("refusal"))
    threads = ", ".join(answer.get("threads", ()))
    return [_lingering(threads or "none of Python's")] if ended.is_held else []


def open_once(answer_path: str, subject_json: str) -> None:
    """Open and close the subject in this process, and write why it was refused and which threads are left."""
    refusal = _refusal(Subject.from_json(subject_json))
    threads = [each.name for each in threading.enumerate() if not each.daemon and each is not threading.main_thread()]
    write_answer(answer_path, json.dumps({"refusal": refusal, "threads": threads}))


def _refusal(subject: Subject) -> str | None:
    """Return why the backend refuses the model, None if it does not."""
    with contextlib.suppress(Exception, SystemExit):  # the checks will meet it again, and judge it
        try:
            subject.open(num_slots=1, context_length=None).close()
        except ModelError as error:
            return str(error)
    return None


def _raise_refusal(refusal: str | None) -> None:
    if refusal is not None:
        raise ModelError(refusal)


def _lingering(threads: str) -> str:
    return (
        f"the backend leaves threads that do not end ({threads}), and each process was ended {GRACE_S:g} s after its "
        "check, as the server ends itself; make them daemons, or end them in close()"
    )
