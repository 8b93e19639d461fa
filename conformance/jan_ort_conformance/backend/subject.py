"""The backend that is judged: how it is found, with which model, and how exact it has to be."""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jan_ort_backends import Backend, BackendError, OpenOptions, Session, discover
from jan_ort_backends.failure_text import one_line
from jan_ort_conformance.verdicts.verdict import Level


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far two computations of the same logits may lie apart, as a fraction of the row's range (max - min).

    ``same_kind``: both come from steps of one kind (several tokens of a sequence, or one token of each). 0 is equality
    to the bit, on which "same seed, same text, alone or in company" rests.
    ``other_kind``: a prompt at once against the same prompt token by token, in the median of many rows; a single row
    may differ by three times that. Fifteen random prompts through SmolLM2-135M on ONNX Runtime, which quantises
    activations to 8 bits, had medians of 0.019 to 0.023 and no row beyond 0.049; one token left out gives 0.1.
    ``vectors``: for the entries of embedding vectors, as a fraction of the vector's length.
    """

    same_kind: float = 0.0
    other_kind: float = 0.03
    vectors: float = 1e-5


@dataclass(frozen=True, slots=True)
class Subject:
    """A backend with a model folder. ``target`` is its name or "module:attribute", "" if only the object is known."""

    backend: Backend
    model_dir: Path
    target: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    tolerances: Tolerances = field(default_factory=Tolerances)

    @classmethod
    def load(
        cls,
        target: str,
        model_dir: Path | None = None,
        *,
        extra: Mapping[str, str] | None = None,
        tolerances: Tolerances | None = None,
    ) -> Subject:
        """Load the backend of this name, or at "module:attribute"; without a folder, its only built-in model.

        Raises: BackendError if there is no such backend or model.
        """
        backend = load_backend(target)
        folder = model_dir or _only_builtin_model(backend)
        return cls(backend, folder, target, extra or {}, tolerances or Tolerances())

    def open(self, *, num_slots: int, context_length: int | None) -> Session:
        """Open a session. Raises: BackendError if what ``open`` returns is none; what the backend raises."""
        opened: object = self.backend.open(self.model_dir, OpenOptions(num_slots, context_length, dict(self.extra)))
        if not isinstance(opened, Session):
            raise BackendError(
                f"backend {self.backend.name!r} opened a {type(opened).__name__}; it must subclass Session"
            )
        return opened

    def repeat(self, check_id: str, level: Level) -> str:
        """Return the shell line that runs one check on this backend again."""
        words = ["jan-ort-conformance", "backend", self.target or self.backend.name]
        words += ["--model", str(self.model_dir), "--level", level.value, "--only", check_id]
        for name, value in self.extra.items():
            words += ["--extra", f"{name}={value}"]
        if self.tolerances != Tolerances():
            words += ["--same-kind-tolerance", f"{self.tolerances.same_kind:g}"]
            words += ["--other-kind-tolerance", f"{self.tolerances.other_kind:g}"]
        return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)

    def to_json(self) -> str:
        """Return what another process needs to load the same subject."""
        return json.dumps(
            {
                "target": self.target,
                "model_dir": str(self.model_dir),
                "extra": dict(self.extra),
                "tolerances": asdict(self.tolerances),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Subject:
        """Load what ``to_json`` described. Raises: BackendError."""
        fields: dict[str, Any] = json.loads(text)
        return cls.load(
            fields["target"],
            Path(fields["model_dir"]),
            extra=fields["extra"],
            tolerances=Tolerances(**fields["tolerances"]),
        )


def load_backend(target: str) -> Backend:
    """Return the backend of this name in the registry, or the object at "module:attribute". Raises: BackendError."""
    if ":" in target:
        module, _, attribute = target.partition(":")
        loaded = _imported(target, module, attribute)
        if not isinstance(loaded, Backend):
            raise BackendError(f"{target} is {loaded!r}, which is not a backend; see jan_ort_backends.Backend")
        return loaded
    (row,) = [row for row in discover(allow=[target]) if row.name == target]
    if row.backend is None:
        raise BackendError(f"backend {target!r} cannot be used: {row.error}; {row.remedy}")
    return row.backend


def _imported(target: str, module: str, attribute: str) -> object:
    """Return the attribute of the module, or an instance if it is a class. Raises: BackendError, whatever they do."""
    try:
        loaded = getattr(importlib.import_module(module), attribute)
        return loaded() if isinstance(loaded, type) else loaded
    except (ImportError, AttributeError) as error:
        raise BackendError(f"{target} cannot be loaded: {error}; give a backend's name or module:attribute") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() too
        raise BackendError(
            f"{target} cannot be loaded: it raised {one_line(error)}; python -c 'import {module}' shows where"
        ) from error


def _only_builtin_model(backend: Backend) -> Path:
    folders = dict(backend.builtin_models)
    if backend.name in folders:
        return folders[backend.name]
    if len(folders) != 1:
        names = ", ".join(folders) or "none"
        raise BackendError(f"backend {backend.name!r} has these models of its own: {names}; say which folder to open")
    (folder,) = folders.values()
    return folder
