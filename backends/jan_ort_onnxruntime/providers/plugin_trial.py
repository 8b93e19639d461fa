"""Registers providers' libraries in processes of their own first: one that hangs holds the interpreter's lock."""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from jan_ort_onnxruntime.providers import windows_ml

logger = logging.getLogger(__name__)

LIMIT_S = 20.0
"""How long all libraries together may take to be registered, less than a backend gets to tell what there is."""

_KILL_S = 2.0
_START = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import main; main(sys.argv[2])"
_REGISTERED, _RAISED = 0, 1


def try_out(targets: Mapping[str, str]) -> dict[str, str]:
    """Return why some libraries must not be registered here, by their distributions, or keys of Windows' catalogue.

    ``targets`` are by these the packages, or the keys again. Those of which a reason is returned hang, or end the
    process that tries them. What only raises is none of them: it can be told here.
    """
    until, faults = time.monotonic() + LIMIT_S, {}
    trials = {distribution: _start(target) for distribution, target in targets.items()}
    for distribution, process in trials.items():
        try:
            status = process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            faults[distribution] = f"it has not returned after {LIMIT_S:g} s"
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # a driver may hold it
                process.wait(_KILL_S)
            continue
        if status not in (_REGISTERED, _RAISED):
            faults[distribution] = f"it ended a process that tried to, with status {status}"
    return faults


def declared(module: Any) -> tuple[str, str]:
    """Return the provider's name and its library's path, as its package has them. Raises: AttributeError without."""
    path = getattr(module, "get_library_path", None) or module.library_path
    if hasattr(module, "get_ep_names"):
        return str(next(iter(module.get_ep_names()))), str(path())
    return str(module.get_ep_name() if hasattr(module, "get_ep_name") else module.EP_NAME), str(path())


def _start(target: str) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    command = [sys.executable, "-c", _START, json.dumps(sys.path), target]
    return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)  # noqa: S603  (our own program)


def main(target: str) -> None:
    """Register the library of a package, or of Windows' catalogue, and end with a status that says what became of it.

    It ends at once: closing what is open ends the process with some drivers, and is no matter of registering.
    """
    import onnxruntime

    status = _REGISTERED
    try:
        onnxruntime.register_execution_provider_library(*_named(target))
        onnxruntime.get_ep_devices()
    except BaseException as error:
        logger.debug("it cannot be registered", exc_info=error)
        status = _RAISED
    os._exit(status)


def _named(target: str) -> tuple[str, str]:
    """Return the name and the library's path of what is to be tried. Raises: what its package or Windows says."""
    offered = {each.key: each for each in windows_ml.find_offered()[0]}
    return offered[target].open() if target in offered else declared(importlib.import_module(target))
