"""A folder of plugins for every test here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.plugins import Plugins, plugin_folder


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Plugins]:
    with plugin_folder(tmp_path) as plugins:
        yield plugins
