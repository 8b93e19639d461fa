"""The libraries that bring further providers: each is registered once a process, and what it brought is remembered."""

from __future__ import annotations

import importlib
import logging
import threading
from typing import Any, NamedTuple

from jan_ort_backends.failure_text import message_line, one_line
from jan_ort_onnxruntime.providers import plugin_trial, windows_ml
from jan_ort_onnxruntime.providers.flavours import provider_packages
from jan_ort_onnxruntime.providers.provider_table import plugin_provider
from jan_ort_onnxruntime.providers.windows_ml import Offered

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_registrations: dict[str, Registration] = {}  # by distribution


class Registration(NamedTuple):
    """What became of a library: why it cannot be used, or the providers whose devices it brought.

    ``by_windows``: it is one of Windows ML's catalogue.
    """

    error: str | None
    ep_names: tuple[str, ...] = ()
    by_windows: bool = False


def register_plugin_libraries(runtime: Any) -> dict[str, Registration]:
    """Register the library of each distribution that brings one, and those that Windows has, once.

    Returns what became of each, by the distribution, or by Windows ML's and the provider's names. An ``onnxruntime``
    older than 1.23 cannot, and says so for each.
    """
    with _lock:
        new = {name: package for name, package in provider_packages().items() if name not in _registrations}
        offered, failure = windows_ml.find_offered()
        there = {each.key: each for each in offered if _is_to_register(runtime, each)}
        faults = plugin_trial.try_out(new | {key: key for key in there}) if _cannot_load(runtime) is None else {}
        for distribution, package in new.items():
            if distribution in faults:
                _registrations[distribution] = _unusable(distribution, faults[distribution])
            else:
                _registrations[distribution] = _register(runtime, distribution, package)
        for key, each in there.items():
            if key in faults:
                _registrations[key] = _unusable_offered(each, faults[key])
            elif each.name not in _device_names(runtime):  # else a package has brought it
                _registrations[key] = _register_offered(runtime, each)
        untold = {each.key: each.failure for each in offered if each.failure is not None}
        untold |= {windows_ml.NAME: failure} if failure is not None else {}
        return _registrations | {key: Registration(reason, by_windows=True) for key, reason in untold.items()}


def _is_to_register(runtime: Any, offered: Offered) -> bool:
    is_wanted = offered.is_installed and offered.is_certified
    return is_wanted and offered.key not in _registrations and offered.name not in _device_names(runtime)


def _register_offered(runtime: Any, offered: Offered) -> Registration:
    """Register what Windows has installed; that fetches nothing."""
    if (refusal := _cannot_load(runtime)) is not None:
        return refusal._replace(by_windows=True)
    logger.info("registering Windows' provider %s", offered.name)
    before = _device_names(runtime)
    try:
        runtime.register_execution_provider_library(*offered.open())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # as with a distribution's
        return _unusable_offered(offered, _told(error))
    brought = tuple(sorted(_device_names(runtime) - before))
    untold = None if brought else "it is registered and offers no device here; update Windows and its drivers"
    return Registration(untold, brought, by_windows=True)


def _unusable_offered(offered: Offered, reason: str) -> Registration:
    logger.warning("Windows' provider %s cannot be registered: %s", offered.name, reason)
    return Registration(f"it cannot be registered: {reason}; update Windows and its drivers", by_windows=True)


def _cannot_load(runtime: Any) -> Registration | None:
    if hasattr(runtime, "register_execution_provider_library"):
        return None
    remedy = "pip install --upgrade onnxruntime"
    return Registration(f"onnxruntime {runtime.__version__} cannot load provider libraries; {remedy}")


def _register(runtime: Any, distribution: str, package: str) -> Registration:
    if (refusal := _cannot_load(runtime)) is not None:
        return refusal
    logger.info("registering the library of %s", distribution)  # native code may end the process: the last line tells
    before = _device_names(runtime)
    try:
        module = importlib.import_module(package)
        # Some providers call themselves what they are registered as, so that is the name that the package declares.
        name, path = plugin_trial.declared(module)
        runtime.register_execution_provider_library(name, path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # one broken plugin must not keep the others, or the CPU, from being used
        return _unusable(distribution, _told(error))
    brought = tuple(sorted(_device_names(runtime) - before))
    if not brought:
        remedy = plugin_provider(name).repair
        return Registration(f"its library is registered and offers no device here ({name}); {remedy}")
    return Registration(None, brought)


def _unusable(distribution: str, reason: str) -> Registration:
    remedy = f"repair or uninstall {distribution}, or choose the option provider=cpu"
    logger.warning("the library of %s cannot be registered: %s; %s", distribution, reason, remedy)
    return Registration(f"its library cannot be registered: {reason}; {remedy}")


def _told(error: BaseException) -> str:
    """Return the message of an error, with its type where it says little: an exit's, a panic's, an empty one's."""
    return message_line(error) if isinstance(error, Exception) and str(error) else one_line(error)


def _device_names(runtime: Any) -> set[str]:
    return {device.ep_name for device in runtime.get_ep_devices()}
