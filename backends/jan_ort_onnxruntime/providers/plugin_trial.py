"""Registers providers' libraries in processes of their own first: one that hangs holds the interpreter's lock."""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

logger = logging.getLogger(__name__)

LIMIT_S = 20.0
"""How long all libraries together may take to be registered, less than a backend gets to tell what there is."""

_KILL_S = 2.0
_START = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import main; main(sys.argv[2])"
_REGISTERED, _RAISED = 0, 1


def try_out(packages: Mapping[str, str]) -> dict[str, str]:
    """Return why the libraries of some packages must not be registered here, by their distributions.

    Those hang, or end the process that tries them. What only raises is none of them: it can be told here.
    """
    until, faults = time.monotonic() + LIMIT_S, {}
    trials = {distribution: _start(package) for distribution, package in packages.items()}
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


def _start(package: str) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    command = [sys.executable, "-c", _START, json.dumps(sys.path), package]
    return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)  # noqa: S603  (our own program)


def main(package: str) -> None:
    """Register the library of a package, and look at the devices; the exit status says what became of it."""
    import onnxruntime

    try:
        onnxruntime.register_execution_provider_library(*declared(importlib.import_module(package)))
        onnxruntime.get_ep_devices()
    except BaseException as error:
        logger.debug("it cannot be registered", exc_info=error)
        sys.exit(_RAISED)
