"""The pod's command where only its volumes can be written, and without any capability, as its security context says."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.deploy.test_kubernetes import server, values
from tests.e2e.server_process import environment, free_port, ready, running

INSIDE = """
mount --make-rprivate /
mount --bind "$VOLUME" /mnt
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -o remount,bind,ro /
cd /tmp
if touch /not-here 2>/dev/null; then exit 9; fi
exec setpriv --no-new-privs --bounding-set -all --inh-caps -all "$@"
"""
"""A mount namespace: /mnt is the volume for the cache, /tmp the empty one, and the rest is read only."""


def can_unshare() -> bool:
    if sys.platform != "linux" or not all(map(shutil.which, ("unshare", "setpriv"))):
        return False
    if Path("/tmp") in (*Path(sys.executable).parents, *Path(__file__).parents):  # noqa: S108  (an empty one covers it)
        return False
    tried = subprocess.run(["unshare", "-m", "mount", "--make-rprivate", "/"], capture_output=True)
    return tried.returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="needs Linux, the right to mount, and a checkout outside /tmp")
def test_the_command_writes_to_its_volumes_alone(tmp_path: Path) -> None:
    volume, port = tmp_path / "volume", free_port()
    volume.mkdir()
    given = {name: value.replace("/cache", "/mnt") for name, value in values(server()).items()}
    given |= {"JAN_ORT_PORT": str(port), "JAN_ORT_METRICS_PORT": "0", "JAN_ORT_API_KEY": "k", "VOLUME": str(volume)}
    env = environment(**given | {"JAN_ORT_BACKEND": "reference", "JAN_ORT_MODEL": "reference"})
    command = ["unshare", "-m", "sh", "-euc", INSIDE, "sh", sys.executable, "-m", "jan_ort", server()["args"][0]]

    with running(command, tmp_path, env) as (process, log):
        asked = ready(process, f"http://127.0.0.1:{port}", log)
        body = {"prompt": "hi", "max_tokens": 1}
        answer = httpx.post(f"{asked.url}/v1/completions", json=body, headers={"Authorization": "Bearer k"})
        status, _ = asked.end(signal.SIGTERM)

    assert answer.status_code == 200
    assert status == 0
    assert "Read-only" not in log.read_text()
    assert list(volume.iterdir()), "what is kept is in the volume"
