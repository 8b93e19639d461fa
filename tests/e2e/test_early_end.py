"""A server that is told to stop before it listens says so and ends in order."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands.running import add_plugin
from tests.e2e.server_process import environment
from tests.e2e.test_lifecycle import wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process there is ended without being asked first")

WAITS = """
import pathlib, time
pathlib.Path(__file__).with_name("begun").write_text("begun")
time.sleep(60)
"""


@pytest.fixture(params=["imports", "plugins"])
def begun(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Make a start wait, in its first imports or in a plugin's; the file is there once it does."""
    if request.param == "imports":
        (tmp_path / "click.py").write_text(WAITS)
    else:
        add_plugin(tmp_path, "waits", WAITS)
    return tmp_path / "begun"


def start(*arguments: str, directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jan_ort", *arguments],
        cwd=directory,
        env=environment(PYTHONPATH=str(directory)),
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_it_listens_ends_the_server_with_a_line(begun: Path, number: signal.Signals) -> None:
    with start("-v", "serve", "--port", "0", "--backend", "waits", directory=begun.parent) as process:
        begun.touch()
        wait_for(begun, "begun")
        process.send_signal(number)
        _, log = process.communicate(timeout=20)

    assert process.returncode == 0
    assert log.splitlines()[-1] == f"jan-ort was stopped ({number.name}) before it was ready"
    assert "Traceback" not in log


def test_ctrl_c_ends_any_command_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text(WAITS)
    begun = tmp_path / "begun"
    with start("config", directory=tmp_path) as process:
        begun.touch()
        wait_for(begun, "begun")
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=20)

    assert (process.returncode, log) == (1, "Aborted!\n")
