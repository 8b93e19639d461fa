"""The bindings of llama.cpp, loaded once, with their log in ours."""

from __future__ import annotations

import collections
import ctypes
import importlib
import logging
import os
from functools import cache
from typing import Any

from jan_ort_backends import ModelError

logger = logging.getLogger(__name__)

_LEVELS = {2: logging.DEBUG, 3: logging.WARNING, 4: logging.ERROR}
"""ggml_log_level to ours; what llama.cpp calls information is no news to an operator."""

_SPINS = "1000"
"""How often a thread of GNU OpenMP looks for the others before it sleeps; its own 300,000 starve them on busy cores."""

_complaints: collections.deque[str] = collections.deque(maxlen=4)


@cache
def load_library() -> Any:
    """Import and initialise the bindings. Raises: ModelError if they do not import."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)  # read when libgomp is loaded
    try:
        # llama_cpp.llama_cpp is the C interface as it is, without types worth checking.
        library: Any = importlib.import_module("llama_cpp.llama_cpp")
    except Exception as error:  # a library for another machine raises OSError, RuntimeError or AttributeError
        raise ModelError(f"llama-cpp-python does not import ({error}); install it again for this machine") from error
    callback = library.llama_log_callback(_log)
    library.llama_log_set(callback, ctypes.c_void_p(None))
    library.jan_ort_log_callback = callback  # must live as long as the library
    library.llama_backend_init()
    return library


def complaints() -> str:
    """Return and forget what llama.cpp has said last that was a warning or worse, as one line."""
    lines = "; ".join(_complaints)
    _complaints.clear()
    return lines


def _log(level: int, text: bytes, _: object) -> None:
    line = text.decode("utf-8", errors="replace").strip()
    ours = _LEVELS.get(level, logging.DEBUG)
    if line and ours >= logging.WARNING:
        _complaints.append(line)
    if line:
        # Warnings are many and harmless; an error becomes an exception where it matters.
        logger.log(min(ours, logging.INFO) if ours < logging.ERROR else logging.WARNING, "%s", line)
