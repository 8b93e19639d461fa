"""Plugins that are really installed: a module and its metadata in a folder on ``sys.path``, as pip leaves them."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from jan_ort_backends import Backend, Discovered, discover
from jan_ort_backends.registry import Import

BACKEND = """
import os, sys, threading, time
from dataclasses import replace
import numpy as np
from jan_ort_backends import *
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession

class FaultySession(ReferenceSession):
    '''Sound until a token of "!" comes.'''

    def step(self, batch):
        output = super().step(batch)
        return self.fault(output) if any(33 in row.token_ids for row in batch) else output

    def fault(self, output):
        return output

{session}

class backend(ReferenceBackend):
    name = {name!r}
    builtin_models = {{{name!r} + "-model": ReferenceBackend.builtin_models["reference"]}}

    def open(self, model_dir, options):
        return FaultySession(options.num_slots, options.context_length or 512)

{backend}
"""


def backend_source(name: str, session: str = "", backend: str = "") -> str:
    """Return a module with the reference backend as ``name``, with what is given in its session and descriptor."""
    return BACKEND.format(name=name, session=textwrap.indent(session, "    "), backend=textwrap.indent(backend, "    "))


class Plugins:
    """Installs distributions of one module each into ``root``, which is on ``sys.path``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules: list[str] = []

    def install(
        self,
        name: str,
        source: str,
        *,
        distribution: str | None = None,
        version: str = "1.2",
        entries: str | None = None,
    ) -> str:
        """Install a plugin whose entry point ``name`` loads ``backend`` from the source; return its module's name.

        ``entries``: the lines of its entry points, if they are others.
        """
        distribution = distribution or f"jan-ort-{name}"
        module = distribution.replace("-", "_").replace(" ", "_").lower()
        (self.root / f"{module}.py").write_text(source, encoding="utf-8")
        metadata = self.root / f"{module}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", "utf-8"
        )
        lines = f"{name} = {module}:backend" if entries is None else entries
        (metadata / "entry_points.txt").write_text(f"[jan_ort.backends]\n{lines}\n", "utf-8")
        self.modules.append(module)
        return module

    def install_backend(self, name: str, *, session: str = "", backend: str = "", distribution: str = "") -> str:
        """Install the reference backend under another name, with methods of its session or descriptor replaced."""
        return self.install(name, backend_source(name, session, backend), distribution=distribution or None)

    def find(
        self,
        name: str,
        *,
        allow: Collection[str] | None = None,
        deny: Collection[str] = (),
        importing: Import | None = None,
    ) -> Discovered:
        """Discover everything and return the one row of this name."""
        (row,) = [row for row in discover(allow=allow, deny=deny, importing=importing) if row.name == name]
        return row

    def load(self, name: str) -> Backend:
        """Return a plugin that can be loaded."""
        row = self.find(name)
        assert row.backend is not None, row.error
        return row.backend


@contextmanager
def plugin_folder(root: Path) -> Iterator[Plugins]:
    """Put ``root`` on ``sys.path`` for a while; what was imported from it is forgotten afterwards."""
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    plugins = Plugins(root)
    try:
        yield plugins
    finally:
        sys.path.remove(str(root))
        for module in plugins.modules:
            sys.modules.pop(module, None)
