"""Scripts of the folder ``javascript``, run by Node.js with the clients that tox installs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node") or ""
SCRIPTS = Path(__file__).parent / "javascript"


def need(package: str) -> None:
    """Skip the module that calls unless Node.js and the package are there."""
    if not NODE:
        pytest.skip("Node.js is not installed, which tox -e client-javascript needs", allow_module_level=True)
    # NODE_PATH says where the package is installed.
    if subprocess.run([NODE, "-e", f"require('{package}')"], capture_output=True, check=False).returncode:
        pytest.skip(f"{package} is not installed for Node.js; run tox -e client-javascript", allow_module_level=True)


def run(script: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return what the script's part of that name printed."""
    command = [NODE, SCRIPTS / script, name, json.dumps(options)]
    printed = subprocess.run(command, text=True, capture_output=True, check=True)
    said: dict[str, Any] = json.loads(printed.stdout)
    return said
