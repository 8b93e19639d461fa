"""The wheels of this repository, each installed in an environment that has nothing of the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.server_process import serve

pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).parents[2]
MAX_PACKAGES, MAX_BYTES = 40, 60_000_000
SEEDS = {"pip", "setuptools", "wheel"}
"""What an environment may have before anything is installed."""

NOT_NEEDED = {"jan-ort", "numpy", "onnx", "onnxruntime", "quart", "hypercorn"}

READ = """
import json
from importlib.metadata import distributions
told = {each.name: [str(each.locate_file(file).resolve()) for file in each.files or ()] for each in distributions()}
print(json.dumps(told))
"""
"""Prints the files of each installed distribution."""


class Environment:
    """A virtual environment of its own with some of the wheels, and nothing of the checkout."""

    def __init__(self, folder: Path, wheels: Path, *wanted: str) -> None:
        venv.create(folder, with_pip=True)
        self.folder = folder
        self.scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
        wanted_wheels = [_wheel(wheels, *name.removesuffix("]").split("[")) for name in wanted]
        self.run("python", "-m", "pip", "install", "-q", *wanted_wheels)
        self.run("python", "-m", "pip", "check")

    def run(self, command: str, *words: str) -> str:
        """Run a command of this environment, which must succeed, and return what it prints."""
        line = [str(self.scripts / command), *words]
        return subprocess.run(line, cwd=self.folder, check=True, text=True, capture_output=True).stdout

    def files(self) -> dict[str, list[str]]:
        told: dict[str, list[str]] = json.loads(self.run("python", "-c", READ))
        return {name: paths for name, paths in told.items() if name not in SEEDS}


def _wheel(wheels: Path, name: str, extra: str = "") -> str:
    (path,) = wheels.glob(f"{name.replace('-', '_')}-*.whl")
    return f"{path}[{extra}]" if extra else str(path)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheels")
    for folder in (ROOT, ROOT / "openapi", ROOT / "conformance"):
        pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(target), str(folder)]
        subprocess.run(pip, check=True)
    return target


def test_the_kit_alone_is_light_and_judges_a_server(wheels: Path, tmp_path: Path) -> None:
    kit = Environment(tmp_path / "kit", wheels, "jan-ort-openapi", "jan-ort-conformance")

    with serve(tmp_path, "--backend", "reference") as server:
        told = kit.run("jan-ort-conformance", "http", server.url, "--level", "full", "--no-fuzz")

    files = kit.files()
    sizes = [Path(path).stat().st_size for paths in files.values() for path in paths if not path.endswith(".pyc")]
    assert "PASS" in told
    assert NOT_NEEDED & set(files) == set()
    assert len(files) <= MAX_PACKAGES
    assert sum(sizes) <= MAX_BYTES


def test_the_server_alone_is_whole(wheels: Path, tmp_path: Path) -> None:
    server = Environment(tmp_path / "server", wheels, "jan-ort-openapi", "jan-ort")

    assert "reference" in server.run("jan-ort", "backends")
    assert not (server.scripts / "jan-ort-conformance").exists()


def test_both_kits_come_with_the_extra_and_no_file_is_of_two(wheels: Path, tmp_path: Path) -> None:
    both = Environment(tmp_path / "both", wheels, "jan-ort-openapi", "jan-ort-conformance", "jan-ort[conformance]")

    told = both.run("jan-ort-conformance", "backend", "reference", "--level", "core", "--in-process")

    counts = Counter(path for name, paths in both.files().items() if name.startswith("jan-ort") for path in paths)
    assert "PASS" in told
    assert [path for path, count in counts.items() if count > 1] == []
