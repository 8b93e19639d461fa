"""The models that backends bring themselves, and which one counts where several have one name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from jan_ort.models.sources.catalog import CATALOG
from jan_ort.plugins.choice import NoBackendError
from jan_ort_backends import Discovered
from jan_ort_backends.registry import OWN

logger = logging.getLogger(__name__)


def builtin_models(discovered: Sequence[Discovered], asked: str | None = None) -> Mapping[str, Path]:
    """Return the models that the usable plugins bring themselves, by name.

    Of several of one name that of the backend ``asked`` for counts, then jan-ort's own, to which those of the catalogue
    belong, then the first.
    """
    found: dict[str, Path] = {}
    for each in sorted(discovered, key=lambda each: (each.name != asked, each.distribution != OWN)):
        for name, folder in (each.backend.builtin_models if each.backend else {}).items():
            if name not in CATALOG or each.name == asked:
                found.setdefault(name, folder)
    return found


def check_builtin_model(name: str, discovered: Sequence[Discovered], asked: str | None = None) -> None:
    """Check that it is clear whose model a name means, and log whose are passed over.

    Raises: NoBackendError naming all that bring it, if none of them is ``asked`` for or jan-ort's own.
    """
    bringing = [each for each in discovered if each.backend and name in each.backend.builtin_models]
    counting = builtin_models(discovered, asked).get(name)
    others = [each for each in bringing if each.backend and each.backend.builtin_models[name] != counting]
    is_told = name in CATALOG or any(each.name == asked or each.distribution == OWN for each in bringing)
    if others and not is_told:
        rivals = ", ".join(f"{each.name} ({each.distribution or each.value})" for each in bringing)
        raise NoBackendError(
            f"several backends bring a model named {name!r}: {rivals}; choose one with --backend, or exclude one with "
            "--deny-backend"
        )
    for each in others:
        logger.warning("the model %r of backend %s is ignored: another one has that name", name, each.name)
