"""In a process of its own: a plugin that prints, starts threads or exits spoils no answer, and the process ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.backends.plugins import Plugins, backend_source

DOCTOR = ["doctor", "--json", "--quick", "--port", "0", "--backend", "reference"]

NOISE = """
import atexit, os, threading, time

def talk():
    while True:
        print("from a thread")
        time.sleep(0.001)

threading.Thread(target=talk).start()
atexit.register(lambda: os.write(1, b"at the exit"))
print("on import")
os.write(1, b"past Python")
"""

HELD = {
    "a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=False).start()",
    "an executor": "import time\nfrom concurrent.futures import ThreadPoolExecutor\n"
    "executor = ThreadPoolExecutor(1)\nexecutor.submit(time.sleep, 600)",
    "an exit handler": "import atexit, time\natexit.register(time.sleep, 600)",
}


def run(plugins: Plugins, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that waits half a second for threads, once it is done."""
    program = "from jan_ort import cli, process_end; process_end.GRACE_S = 0.5; cli.main()"
    environment = os.environ | {"PYTHONPATH": str(plugins.root)}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        cwd=plugins.root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["backends", "--json"], DOCTOR], ids=["backends", "doctor"])
def test_json_is_json_whatever_a_plugin_prints(plugins: Plugins, arguments: list[str]) -> None:
    plugins.install("noisy", NOISE + backend_source("noisy", backend="def probe(self):\n    print('asked')"))

    result = run(plugins, *arguments)

    assert result.returncode == 0, result.stderr
    assert "noisy" in json.dumps(json.loads(result.stdout))
    for noise in ("from a thread", "on import", "past Python", "at the exit", "asked"):
        assert noise in result.stderr


@pytest.mark.parametrize("source", HELD.values(), ids=HELD)
def test_what_a_plugin_leaves_running_does_not_keep_the_process(plugins: Plugins, source: str) -> None:
    plugins.install("holds", f"{source}\n{backend_source('holds')}")

    result = run(plugins, "backends", "--json")

    assert result.returncode == 0
    assert any(each["name"] == "holds" and each["usable"] for each in json.loads(result.stdout))
    assert "ended without waiting any longer" in result.stderr


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("import os\nos._exit(5)", "backend leaves: import jan_ort_leaves:backend"),
        (backend_source("leaves", backend="def probe(self):\n    os._exit(5)"), "backend leaves: probe"),
    ],
)
def test_the_log_names_the_plugin_that_ended_the_process(plugins: Plugins, source: str, last: str) -> None:
    plugins.install("leaves", source)

    result = run(plugins, "-v", "backends")

    assert result.returncode == 5
    assert result.stderr.splitlines()[-1].endswith(last)
