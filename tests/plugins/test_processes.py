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


COMMAND = "from jan_ort.cli import process_end, program; process_end.GRACE_S = 0.5; program.main()"
"""A command that waits half a second for threads, once it is done."""

APP = """
import asyncio, time
from jan_ort import app

async def main():
    async with app.test_app() as started:
        deadline = time.monotonic() + 60
        while (answer := await started.test_client().get("/health")).status_code == 503:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        print(answer.status_code)

asyncio.run(main())
"""
"""The app as any ASGI server starts it, until it is ready."""

ENDS_THE_PROCESS = "import os\nos._exit(5)"


HALVES = {
    "an import": "raise RuntimeError('cannot find \\udcff.so')",
    "a failure": "def probe(self):\n    raise OSError('no \\udcff')",
    "an answer": "def probe(self):\n    class Odd:\n        __repr__ = lambda self: '\\udcff'\n    return Odd()",
}
"""Where a failure may have half of a surrogate pair: a path that is no UTF-8 has them in Python."""


def run(plugins: Plugins, *arguments: str, program: str = COMMAND, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(plugins.root)} | settings
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
    assert "stopped waiting for the threads" in result.stderr


@pytest.mark.parametrize(
    ("source", "last"),
    [
        (ENDS_THE_PROCESS, "backend leaves: import jan_ort_leaves:backend"),
        (backend_source("leaves", backend="def probe(self):\n    os._exit(5)"), "backend leaves: probe"),
    ],
)
def test_the_log_names_the_plugin_that_ended_the_process(plugins: Plugins, source: str, last: str) -> None:
    plugins.install("leaves", source)

    result = run(plugins, "-v", "backends")

    assert result.returncode == 5
    assert result.stderr.splitlines()[-1].endswith(last)


@pytest.mark.parametrize(
    "arguments",
    [
        ["backends", "--json"],
        DOCTOR,
        ["chat", "Hi", "--backend", "reference", "--max-tokens", "1"],
        ["serve", "--backend", "reference", "--model", "reference", "--embedding-model", "no-such-model"],
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.parametrize(
    "lists", [["--deny-backend", "leaves"], ["--allow-backend", "reference"]], ids=lambda each: each[0]
)
def test_a_plugin_that_ends_the_process_harms_nothing_once_it_is_excluded(
    plugins: Plugins, arguments: list[str], lists: list[str]
) -> None:
    plugins.install("leaves", ENDS_THE_PROCESS)

    result = run(plugins, *arguments, *lists)

    if arguments[0] == "serve":  # which has come as far as its models
        assert "unknown model 'no-such-model'" in result.stderr
    else:
        assert (result.returncode, bool(result.stdout.strip())) == (0, True), result.stderr


@pytest.mark.parametrize("where", ["variable", "file"])
def test_the_app_itself_excludes_what_variables_and_files_name(plugins: Plugins, where: str) -> None:
    plugins.install("leaves", ENDS_THE_PROCESS)
    (plugins.root / "jan-ort.toml").write_text("deny_backend = ['leaves']\n" if where == "file" else "")
    denied = {"JAN_ORT_DENY_BACKEND": "other,leaves"} if where == "variable" else {}

    result = run(plugins, program=APP, JAN_ORT_BACKEND="reference", **denied)

    assert (result.returncode, result.stdout) == (0, "200\n"), result.stderr


def test_the_doctor_excludes_a_plugin_whatever_else_is_wrong_with_the_settings(plugins: Plugins) -> None:
    plugins.install("leaves", ENDS_THE_PROCESS)

    result = run(plugins, *DOCTOR, "--num-slots", "many", "--deny-backend", "leaves")

    report = json.loads(result.stdout)
    rows = {each["plugin"]["name"]: each["plugin"] for each in report["backends"]}
    assert rows["leaves"]["reason"] == "excluded by the deny list"
    assert rows["reference"]["usable"]


def test_the_doctor_imports_no_plugin_while_it_cannot_read_which_are_excluded(plugins: Plugins) -> None:
    plugins.install("leaves", ENDS_THE_PROCESS)
    (plugins.root / "jan-ort.toml").write_text("deny_backend = [leaves]\n")

    result = run(plugins, *DOCTOR)

    report = json.loads(result.stdout)
    assert "jan-ort.toml is not valid TOML" in report["problems"][0]["message"]
    assert all("cannot be read" in each["plugin"]["reason"] for each in report["backends"])


@pytest.mark.parametrize(
    "arguments", [["backends"], [each for each in DOCTOR if each != "--json"]], ids=["list", "doctor"]
)
@pytest.mark.parametrize("source", HALVES.values(), ids=HALVES)
def test_text_that_utf_8_cannot_hold_ends_no_command(plugins: Plugins, arguments: list[str], source: str) -> None:
    plugins.install("odd", source if source.startswith("raise") else backend_source("odd", backend=source))

    result = run(plugins, *arguments, PYTHONIOENCODING="utf-8:strict")

    assert result.returncode == 0, result.stderr
    assert "\\udcff" in result.stdout or (arguments[0] == "backends" and "yes" in result.stdout)
