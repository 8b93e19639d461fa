"""Where an error was raised, as its author looks for it: the last line of the plugin's own, then the last of all."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import ModuleType

from jan_ort_backends import Backend

NUM_LAST = 3


def where_raised(error: BaseException, backend: Backend) -> str:
    """Return the last frames of the error; if none of them is of the backend's package, its last one comes first."""
    frames = list(traceback.extract_tb(error.__traceback__))
    own = [frame for frame in frames if _is_below(Path(frame.filename), _places(backend))]
    shown = frames[-NUM_LAST:]
    if own and own[-1] not in shown:
        shown = [own[-1], *shown]
    return "".join(traceback.format_list(shown))


def _places(backend: Backend) -> list[Path]:
    """Return the folders of the backend's top-level package, or the file of a module that is in none."""
    name = backend.__name__ if isinstance(backend, ModuleType) else type(backend).__module__
    module = sys.modules.get(name.partition(".")[0])
    folders = [Path(place).resolve() for place in getattr(module, "__path__", ())]
    file = getattr(module, "__file__", None)
    return folders or ([Path(file).resolve()] if file else [])


def _is_below(path: Path, places: list[Path]) -> bool:
    return any(path.resolve().is_relative_to(place) for place in places)
