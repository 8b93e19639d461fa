"""Servers that several end-to-end tests talk to, one for each way to start one and each kind of weights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.server_process import ServerProcess, hypercorn, serve


@pytest.fixture(scope="session")
def reference_by_cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serve(tmp_path_factory.mktemp("cli"), "--backend", "reference", "--api-key", "k3y") as server:
        yield server


@pytest.fixture(scope="session")
def reference_by_hypercorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("hypercorn")
    with hypercorn(directory, JAN_ORT_BACKEND="reference", JAN_ORT_API_KEY="k3y") as server:
        yield server


@pytest.fixture(scope="session")
def weights_by_cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The default settings, but for the key: the models that a user gets who gives no model."""
    with serve(tmp_path_factory.mktemp("weights-cli"), "--api-key", "k3y") as server:
        yield server


@pytest.fixture(scope="session")
def weights_by_hypercorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with hypercorn(tmp_path_factory.mktemp("weights-hypercorn"), JAN_ORT_API_KEY="k3y") as server:
        yield server


SERVERS = [
    "reference_by_cli",
    "reference_by_hypercorn",
    pytest.param("weights_by_cli", marks=pytest.mark.weights),
    pytest.param("weights_by_hypercorn", marks=pytest.mark.weights),
]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> ServerProcess:
    found: ServerProcess = request.getfixturevalue(request.param)
    return found
