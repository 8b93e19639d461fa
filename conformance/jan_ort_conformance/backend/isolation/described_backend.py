"""A backend as another process describes it: what a run has to know of it without any of its code (hop 6)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from jan_ort_backends import ABI, Accepts, Backend, BackendError, Capability, Declines, OpenOptions, Session
from jan_ort_backends.failure_text import one_line
from jan_ort_conformance.backend.isolation.child_process import ask_child, write_answer
from jan_ort_conformance.backend.subject import Subject, Tolerances

_DESCRIBE = ("-c", f"import sys; from {__name__} import describe; describe(*sys.argv[1:])")


class DescribedBackend(Backend):
    """A backend's name and capabilities; it can be judged in child processes only."""

    abi = ABI

    def __init__(self, name: str, capabilities: frozenset[Capability]) -> None:
        self.name = name
        self.capabilities = capabilities

    def accepts(self, model_dir: Path) -> Accepts | Declines:
        """Raise BackendError: the backend is in another process."""
        raise BackendError(f"backend {self.name!r} is only described in this process")

    def open(self, model_dir: Path, options: OpenOptions) -> Session:
        """Raise BackendError: the backend is in another process."""
        raise BackendError(f"backend {self.name!r} is only described in this process")


def load_aside(
    target: str,
    model_dir: Path | None,
    *,
    time_limit_s: float,
    extra: Mapping[str, str],
    tolerances: Tolerances,
) -> Subject:
    """Return the subject that ``Subject.load`` returns, described by a child process, in which alone it is imported.

    Raises: BackendError if there is no such backend or model, and if importing it fails, ends the process or hangs.
    """
    ended = ask_child(_DESCRIBE, (target, str(model_dir or "")), time_limit_s)
    if ended.is_late:
        raise BackendError(
            f"backend {target} cannot be loaded: importing it did not end within {time_limit_s:g} s; import in open "
            "what takes long, or allow more by --time-limit"
        )
    if ended.answer is None:
        raise BackendError(
            f"backend {target} cannot be loaded: importing it ended the process, {ended.told}{ended.last_line}; a "
            "plugin must leave that to the program that imports it"
        )
    answer = json.loads(ended.answer)
    if "error" in answer:
        raise BackendError(answer["error"])
    backend = DescribedBackend(answer["name"], frozenset(Capability(flag) for flag in answer["capabilities"]))
    return Subject(backend, Path(answer["model_dir"]), target, extra, tolerances)


def describe(answer_path: str, target: str, model_dir: str) -> None:
    """Load the backend in this process, write what it is, and end at once: what it left running is not judged here."""
    try:
        subject = Subject.load(target, Path(model_dir) if model_dir else None)
        answer: dict[str, object] = {
            "name": str(subject.backend.name),
            "capabilities": _known(subject.backend),
            "model_dir": str(subject.model_dir),
        }
    except BackendError as error:
        answer = {"error": str(error)}
    except BaseException as error:  # of what the plugin computes when it is asked for its name or its models
        answer = {
            "error": f"backend {target} cannot be loaded: {one_line(error)}; its descriptor fails when it is read"
        }
    write_answer(answer_path, json.dumps(answer))
    os._exit(0)


def _known(backend: Backend) -> list[str]:
    """Return the capabilities that the interface knows; ``descriptor.well_formed`` judges all others."""
    declared: object = backend.capabilities
    return [
        flag.value for flag in Capability if isinstance(declared, frozenset | set | tuple | list) and flag in declared
    ]
