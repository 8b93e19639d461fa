"""Plugins that are really installed: a module and its metadata in a folder on ``sys.path``, as pip leaves them."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from jan_ort_backends import Backend, Discovered, discover

BACKEND = """
import os, sys, time
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


class Plugins:
    """Installs distributions of one module each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules: list[str] = []

    def install(self, name: str, source: str, *, distribution: str | None = None) -> None:
        """Install a plugin whose entry point ``name`` loads ``backend`` from the source."""
        distribution = distribution or f"jan-ort-{name}"
        module = distribution.replace("-", "_")
        (self.root / f"{module}.py").write_text(source)
        metadata = self.root / f"{module}-1.2.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(f"[jan_ort.backends]\n{name} = {module}:backend\n")
        self.modules.append(module)

    def install_backend(self, name: str, *, session: str = "", backend: str = "") -> None:
        """Install the reference backend under another name, with methods of its session or descriptor replaced."""
        indented = {"session": textwrap.indent(session, "    "), "backend": textwrap.indent(backend, "    ")}
        self.install(name, BACKEND.format(name=name, **indented))

    def find(self, name: str, limit_s: float = 30.0) -> Discovered:
        """Discover everything and return the one row of this name."""
        (row,) = [row for row in discover(limit_s=limit_s) if row.name == name]
        return row

    def load(self, name: str) -> Backend:
        """Return a plugin that can be loaded."""
        row = self.find(name)
        assert row.backend is not None, row.error
        return row.backend


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugins]:
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = Plugins(tmp_path)
    yield plugins
    for module in plugins.modules:
        sys.modules.pop(module, None)
