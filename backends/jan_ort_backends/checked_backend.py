"""A backend whose fields were read once, when they were checked, so that none can change or fail later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jan_ort_backends.interface import Accepts, Available, Backend, Capability, Declines, Missing, OpenOptions, Session


@dataclass(slots=True)
class CheckedBackend:
    """A backend with copies of the fields of ``own``, the plugin's, whose methods it calls."""

    own: Backend
    name: str
    abi: str
    capabilities: frozenset[Capability]
    builtin_models: Mapping[str, Path]

    def probe(self) -> Available | Missing:
        """Say whether the backend can run on this machine."""
        return self.own.probe()

    def accepts(self, model_dir: Path) -> Accepts | Declines:
        """Say whether ``model_dir`` is a folder this backend can open."""
        return self.own.accepts(model_dir)

    def open(self, model_dir: Path, options: OpenOptions) -> Session:
        """Load the model."""
        return self.own.open(model_dir, options)

    def __getattr__(self, name: str) -> object:
        """Return what is optional, such as the method ``diagnose_providers``, as the plugin has it."""
        if name.startswith("_") or name in self.__slots__:  # asked by copy or pickle, which may find nothing set yet
            raise AttributeError(name)
        return getattr(self.own, name)
