"""Windows ML's catalogue: the vendors' providers that Windows fetches, keeps up to date and shares among programs.

It is asked through the package ``windowsml``. Its states: Ready; NotReady is installed and not yet opened to this
process; NotPresent has to be fetched. Source: windowsml 2.5.96, __init__.py and _bindings.py.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from dataclasses import dataclass
from typing import Any, Protocol

from jan_ort_backends.diagnosis import InstalledProvider
from jan_ort_backends.failure_text import message_line

logger = logging.getLogger(__name__)

NAME = "windowsml"
"""The value of the option ``provider`` that takes any of the catalogue's."""

INSTALL = "jan-ort doctor --install-providers"

_FALLBACK = "Windows ML needs Windows 11 24H2; provider=dml runs on older ones"

_lock = threading.Lock()
_catalogs: list[Any] = []
"""The one catalogue, kept as long as the process: its handles are valid no longer than it, and closing it ends the
process with some NPU drivers (microsoft/winml-cli, pull request 729)."""


class OfferedProvider(Protocol):
    """What of the package's ``ExecutionProvider`` is used."""

    @property
    def name(self) -> str:
        """ONNX Runtime's name for it."""
        ...

    @property
    def version(self) -> str:
        """The version of what is installed."""
        ...

    @property
    def library_path(self) -> str:
        """The library, "" until it is ready."""
        ...

    @property
    def ready_state(self) -> Any:
        """An EpReadyState."""
        ...

    @property
    def certification(self) -> Any:
        """An EpCertification."""
        ...

    def ensure_ready(self) -> None:
        """Fetch it if need be, and open it to this process. Raises: OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Offered:
    """A provider of the catalogue, ``state`` being the name of its EpReadyState when it was read.

    ``failure`` says why that is not known. Unless ``is_certified``, Microsoft has refused to certify it.
    """

    name: str
    handle: OfferedProvider
    state: str = ""
    is_certified: bool = True
    failure: str | None = None

    @property
    def key(self) -> str:
        """What it is called beside distributions that bring providers."""
        return f"{NAME} {self.name}"

    @property
    def is_installed(self) -> bool:
        """Whether it is on this machine."""
        return self.failure is None and self.state != "NotPresent"

    def open(self) -> tuple[str, str]:
        """Open what is installed to this process; return its name and its library's path. Raises: what Windows says."""
        self.handle.ensure_ready()
        return self.name, self.handle.library_path


def find_offered() -> tuple[list[Offered], str | None]:
    """Return the providers that Windows offers for this machine's devices, and what keeps it from telling, if it does.

    Where the package is not installed there are none, and nothing is wrong.
    """
    try:
        module = importlib.import_module("windowsml")
    except ModuleNotFoundError:
        return [], None
    except Exception as error:  # of another system, or without its library
        return [], f"the package windowsml cannot be used: {message_line(error)}; {_FALLBACK}"
    try:
        with _lock:
            if not _catalogs:
                _catalogs.append(module.EpCatalog())
        return [_read(each) for each in _catalogs[0].find_all_providers()], None
    except Exception as error:  # OSError with Windows' own code: what it means is not known here
        return [], f"Windows ML's catalogue cannot be opened: {message_line(error)}; {_FALLBACK}"


def _read(handle: OfferedProvider) -> Offered:
    name = handle.name
    try:
        return Offered(name, handle, handle.ready_state.name, handle.certification.name != "Uncertified")
    except Exception as error:  # of Windows, or of a state that is newer than the package
        reason = f"its state is not known: {message_line(error)}; update Windows and the package windowsml"
        return Offered(name, handle, failure=reason)


def why_none() -> str:
    """Return why the catalogue has no provider that could be used."""
    if sys.platform != "win32":
        return "Windows ML is a part of Windows"
    offered, failure = find_offered()
    if failure is not None:
        return failure
    if not offered:
        return f"Windows ML offers none, or the package is not installed: pip install windowsml. {_FALLBACK}"
    return f"none of {', '.join(each.name for each in offered)} can be used; {INSTALL}"


def install_offered() -> list[InstalledProvider]:
    """Have Windows fetch and install each provider that it offers; takes minutes, and is safe to repeat."""
    offered, failure = find_offered()
    if not offered:
        return [InstalledProvider(NAME, False, failure or why_none())]
    return [_install(each) for each in offered]


def _install(offered: Offered) -> InstalledProvider:
    if offered.failure is not None:
        return InstalledProvider(offered.name, False, offered.failure)
    if not offered.is_certified:
        return InstalledProvider(offered.name, False, "it is not certified by Microsoft, and left alone")
    logger.info("%s: Windows makes it ready (%s until now)", offered.name, offered.state)
    try:
        offered.handle.ensure_ready()
        version = offered.handle.version
    except Exception as error:  # as above: the others are still installed
        return InstalledProvider(offered.name, False, f"Windows cannot install it: {message_line(error)}")
    return InstalledProvider(offered.name, True, " ".join(filter(None, ("version", version))))
