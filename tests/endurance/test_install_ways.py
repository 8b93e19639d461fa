"""The README's ways to install with uv and pipx, as they stand there, in a copy and a HOME that have nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.own_settings import without_own_settings

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a POSIX shell"),
]

ROOT = Path(__file__).parents[2]
UNINSTALLING = {"uv": "uv tool uninstall jan-ort", "pipx": "pipx uninstall jan-ort"}

UPGRADING = {"uv": "{forced}", "pipx": "pipx uninstall jan-ort && {again}"}
"""What "Upgrade" says: pipx with --force loses sight of what it has preinstalled."""


def command_of(tool: str) -> str:
    """Return the installing command of the README's row for a tool."""
    (command,) = re.findall(rf"^\| {tool}\b[^|]*\| `({tool} [^`]+)` and then `jan-ort serve`", _readme(), re.M)
    return str(command)


def _readme() -> str:
    return (ROOT / "README.md").read_text("utf-8")


class Home:
    """A HOME of its own, beside a copy of what git has of this checkout."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "jan-ort"
        copied = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.decode()
        for name in filter(None, copied.split("\0")):
            if (ROOT / name).is_file() and not name.startswith("tests/"):
                (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.checkout / name)
        self.bin = folder / ".local" / "bin"
        own = {"HOME": str(folder), "UV_TOOL_BIN_DIR": str(self.bin), "PIPX_BIN_DIR": str(self.bin)}
        kept = {name: value for name, value in without_own_settings(os.environ).items() if not name.startswith("XDG_")}
        self.environment = kept | own | {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}

    def run(self, command: str) -> str:
        """Run a line of the README in the copy, which must succeed, and return what it prints."""
        line = ["sh", "-c", command]
        done = subprocess.run(line, cwd=self.checkout, env=self.environment, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.mark.parametrize("tool", UNINSTALLING)
def test_a_tool_installs_upgrades_and_uninstalls_it(tool: str, tmp_path: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    home = Home(tmp_path)
    install = command_of(tool)

    home.run(install)
    backends = home.run(f"{home.bin / 'jan-ort'} backends")
    home.run(UPGRADING[tool].format(again=install, forced=re.sub(r"\binstall\b", "install --force", install)))
    home.run(f"{home.bin / 'jan-ort'} --version")

    assert "onnxruntime" in backends
    assert UNINSTALLING[tool] in _readme()
    home.run(UNINSTALLING[tool])
    assert not (home.bin / "jan-ort").exists()
