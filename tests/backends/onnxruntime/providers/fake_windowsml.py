"""A stand-in for the package windowsml, which runs on Windows alone: its catalogue, as recorded from the real one."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum


class EpReadyState(IntEnum):
    Ready = 0
    NotReady = 1
    NotPresent = 2


class EpCertification(IntEnum):
    Unknown = 0
    Certified = 1
    Uncertified = 2


class ExecutionProvider:
    """A provider that is at first in ``states[name]``; getting it ready fails with ``failure``, if there is one."""

    states: dict[str, EpReadyState] = {}  # noqa: RUF012  (Windows', not a handle's)

    def __init__(
        self,
        handle: str,
        certification: EpCertification = EpCertification.Certified,
        failure: OSError | None = None,
    ) -> None:
        self._handle, self._certification, self._failure = handle, certification, failure

    @property
    def name(self) -> str:
        return self._handle

    @property
    def version(self) -> str:
        return "1.8.63.0" if self.ready_state is EpReadyState.Ready else ""

    @property
    def package_family_name(self) -> str:
        return f"MicrosoftCorporationII.WinML.{self._handle}_8wekyb3d8bbwe"

    @property
    def library_path(self) -> str:
        return f"{self.package_root_path}/{self._handle}.dll" if self.ready_state is EpReadyState.Ready else ""

    @property
    def package_root_path(self) -> str:
        return "WindowsApps"

    @property
    def ready_state(self) -> EpReadyState:
        return self.states[self._handle]

    @property
    def certification(self) -> EpCertification:
        return self._certification

    def ensure_ready(self) -> None:
        if self._failure is not None:
            raise self._failure
        self.states[self._handle] = EpReadyState.Ready

    def ensure_ready_async(
        self, on_complete: Callable[[], None] | None = None, on_progress: Callable[[float], None] | None = None
    ) -> None:
        raise AssertionError("not used")

    def __repr__(self) -> str:
        return f"ExecutionProvider(name={self.name!r})"


class EpCatalog:
    """The catalogue, whose ``offered`` tests set; ``refusal`` is what an older Windows answers."""

    offered: list[ExecutionProvider] = []  # noqa: RUF012
    refusal: OSError | None = None
    num_open = 0

    def __init__(self) -> None:
        if self.refusal is not None:
            raise self.refusal
        EpCatalog.num_open += 1

    def find_all_providers(self) -> list[ExecutionProvider]:
        return self.offered

    def close(self) -> None:
        raise AssertionError("closing it ends the process with some drivers")

    def __enter__(self) -> EpCatalog:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def __del__(self) -> None:
        """Do nothing: the real one closes."""
