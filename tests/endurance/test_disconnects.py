"""A smaller table of who goes unnoticed, from a real server, and what some hundreds of aborts leave."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e.server_process import serve
from tests.endurance.disconnects import NUM_SLOTS, PHASES, Watched, aborts, fill_caches, table


@pytest.mark.timeout(300)
async def test_no_client_goes_unnoticed_in_any_phase(tmp_path: Path) -> None:
    with serve(tmp_path, "--backend", "reference", "--num-slots", str(NUM_SLOTS)) as server:
        assert await table(Watched(server), 10, list(PHASES)) == 0

    assert "Traceback" not in server.log.read_text()


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform == "win32", reason="counts descriptors")
async def test_aborts_leave_nothing(tmp_path: Path) -> None:
    with serve(tmp_path, "--backend", "reference", "--num-slots", str(NUM_SLOTS)) as server:
        watched = Watched(server)
        await fill_caches(watched)  # compiled grammars are kept: that is no trace of who has gone
        warm = await aborts(watched, 500)
        after = await aborts(watched, 2000)

    assert after["descriptors"] <= warm["descriptors"]
    assert after["threads"] <= warm["threads"] + 2  # a pool of the loop's own grows to six
    assert after["rss_mb"] - warm["rss_mb"] < 10
