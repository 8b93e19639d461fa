"""Ray's agents get ports before they start, so that nothing is waited for."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from jan_ort.on_ray.agent_ports import chosen_agent_ports


def test_a_node_is_told_each_port_and_finds_the_file_that_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = pytest.importorskip("ray._private.services", reason="Ray is not installed (pip install -e '.[ray]')")
    told: dict[str, Any] = {}
    monkeypatch.setattr(services, "start_raylet", lambda *given, **named: told.update(named))
    given = [None, None, "node", *[None] * 8, str(tmp_path)]

    with chosen_agent_ports():
        services.start_raylet(*given, metrics_agent_port=None, is_head_node=True)
    services.start_raylet(is_head_node=False)

    port = told["dashboard_agent_listen_port"]
    assert (tmp_path / "dashboard_agent_listen_port_node").read_text() == str(port)
    assert len({each for name, each in told.items() if name.endswith("_port")}) == 4
    assert told["is_head_node"] is False, "and afterwards it is as before"


def test_ray_s_own_function_takes_them_in_these_places() -> None:
    services = pytest.importorskip("ray._private.services", reason="Ray is not installed (pip install -e '.[ray]')")

    names = list(inspect.signature(services.start_raylet).parameters)

    assert (names[2], names[11]) == ("node_id", "session_dir")
