"""The libraries that bring further providers: each is registered once a process, and what it brought is remembered."""

from __future__ import annotations

import importlib
import logging
import threading
from typing import Any, NamedTuple

from jan_ort_onnxruntime.providers.flavours import provider_packages

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_registrations: dict[str, Registration] = {}  # by distribution


class Registration(NamedTuple):
    """What became of a distribution's library: why it cannot be used, or the providers whose devices it brought."""

    error: str | None
    ep_names: tuple[str, ...] = ()


def register_plugin_libraries(runtime: Any) -> dict[str, Registration]:
    """Register the library of each distribution that brings one, and return what became of each.

    An ``onnxruntime`` older than 1.23 cannot, and says so for each.
    """
    with _lock:
        for distribution, package in provider_packages().items():
            if distribution not in _registrations:
                _registrations[distribution] = _register(runtime, distribution, package)
        return dict(_registrations)


def _register(runtime: Any, distribution: str, package: str) -> Registration:
    if not hasattr(runtime, "register_execution_provider_library"):
        remedy = "pip install --upgrade onnxruntime"
        return Registration(f"onnxruntime {runtime.__version__} cannot load provider libraries; {remedy}")
    before = _device_names(runtime)
    try:
        module = importlib.import_module(package)
        path = getattr(module, "get_library_path", None) or module.library_path
        # Some providers call themselves what they are registered as, so that is the name that the package declares.
        runtime.register_execution_provider_library(_declared_name(module), str(path()))
    except Exception as error:  # one broken plugin must not keep the others, or the CPU, from being used
        message = " ".join(str(error).split())
        logger.warning("the library of %s cannot be registered: %s", distribution, message)
        return Registration(f"its library cannot be registered: {message}; repair or uninstall {distribution}")
    brought = tuple(sorted(_device_names(runtime) - before))
    if not brought:
        return Registration(f"its library is registered and offers no device here ({_declared_name(module)})")
    return Registration(None, brought)


def _declared_name(module: Any) -> str:
    """Return the provider's name as the package has it. Raises: AttributeError if it has none."""
    if hasattr(module, "get_ep_names"):
        return str(next(iter(module.get_ep_names())))
    return str(module.get_ep_name() if hasattr(module, "get_ep_name") else module.EP_NAME)


def _device_names(runtime: Any) -> set[str]:
    return {device.ep_name for device in runtime.get_ep_devices()}
