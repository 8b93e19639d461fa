"""When the server's process ends, in whatever way, the processes of its sessions end with it."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from tests.backends.plugins import Plugins
from tests.plugins.isolation.processes import hosts

PARENT = """
import os, sys, threading
import numpy as np
from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort_backends import OpenOptions, SlotTokens, discover
from jan_ort_backends.reference_tokenizer import FOLDER

(backend,) = [each.backend for each in discover(allow=["faulty"]) if each.name == "faulty"]
session = open_isolated(backend, FOLDER, OpenOptions())
step = threading.Thread(target=session.step, args=([SlotTokens(0, np.array([33]))],), daemon=True)
step.start()
print("running", flush=True)
sys.stdin.readline()
{end}
"""

ENDS = {
    "it is killed": "os.kill(os.getpid(), 9)" if sys.platform != "win32" else "os._exit(1)",
    "it exits at once": "os._exit(3)",
    "it ends by itself": "",
    "it fails": "raise KeyError",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_running_step_ends_with_the_parent(plugins: Plugins, end: str) -> None:
    plugins.install_backend("faulty", session="def fault(self, output):\n    time.sleep(600)")
    environment = os.environ | {"PYTHONPATH": str(plugins.root)}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.replace("{end}", end)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().strip() == b"running"
        (child,) = hosts(parent.pid)

        parent.communicate(b"\n", timeout=60)

    gone, alive = psutil.wait_procs([child], timeout=30)
    assert (len(gone), alive) == (1, [])
