"""The servers that every client library talks to: exact answers from the reference model, real ones from SmolLM2."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.direct import KEY
from tests.e2e.server_process import ServerProcess, serve


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The reference model, whose answer at temperature 0 is the same everywhere."""
    with serve(tmp_path_factory.mktemp("reference"), "--backend", "reference", "--api-key", KEY) as server:
        yield server


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The default models: SmolLM2-135M-Instruct and all-MiniLM-L6-v2."""
    with serve(tmp_path_factory.mktemp("weights"), "--api-key", KEY) as server:
        yield server
