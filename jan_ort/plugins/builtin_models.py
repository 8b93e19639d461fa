"""The models that backends bring themselves, and which one counts where several have one name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from jan_ort.models.sources.catalog import CATALOG
from jan_ort.plugins.choice import NoBackendError
from jan_ort_backends import Backend, Discovered
from jan_ort_backends.registry import OWN

logger = logging.getLogger(__name__)

_ASKED, _OURS, _OTHERS = range(3)
"""How far a backend's names count: those of the one that is asked for go before jan-ort's own, and these before all."""


def builtin_models(discovered: Sequence[Discovered], asked: str | None = None) -> Mapping[str, Path]:
    """Return the models that the usable plugins bring themselves, by name.

    Of several of one name that of the backend ``asked`` for counts, then jan-ort's own, to which those of the catalogue
    belong, then the first.
    """
    found: dict[str, Path] = {}
    for each, backend in _ranked(discovered, asked):
        for name, folder in backend.builtin_models.items():
            if name not in CATALOG or _rank(each, asked) < _OTHERS:
                found.setdefault(name, folder)
    return found


def check_builtin_model(name: str, discovered: Sequence[Discovered], asked: str | None = None) -> None:
    """Check that it is clear whose model a name means, and log whose are passed over.

    Raises: NoBackendError naming all that bring it, if none of them is ``asked`` for or jan-ort's own.
    """
    bringing = [(each, backend) for each, backend in _ranked(discovered, asked) if name in backend.builtin_models]
    if not bringing:
        return
    counting = builtin_models(discovered, asked).get(name)
    passed_over = [each for each, backend in bringing if backend.builtin_models[name] != counting]
    if passed_over and counting is not None and _rank(bringing[0][0], asked) == _OTHERS:
        rivals = ", ".join(f"{each.name} ({each.distribution or each.value})" for each, _ in bringing)
        raise NoBackendError(
            f"several backends bring a model named {name!r}: {rivals}; choose one with --backend, or exclude one with "
            "--deny-backend"
        )
    for each in passed_over:
        logger.warning("the model %r of backend %s is passed over: another one has that name", name, each.name)


def _ranked(discovered: Sequence[Discovered], asked: str | None) -> list[tuple[Discovered, Backend]]:
    """Return the backends that can be used, the one whose names count most first."""
    usable = [(each, each.backend) for each in discovered if each.backend is not None]
    return sorted(usable, key=lambda pair: _rank(pair[0], asked))


def _rank(candidate: Discovered, asked: str | None) -> int:
    return _ASKED if candidate.name == asked else _OURS if candidate.distribution == OWN else _OTHERS
