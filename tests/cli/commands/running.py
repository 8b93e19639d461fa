"""How tests run a command, and what they put before it: an empty cache, a cached model, a plugin."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner, Result

from jan_ort.cli.program import main
from jan_ort.models.cache.manifest import CacheKey, write_manifest
from jan_ort.plugins.builtin_models import builtin_models
from jan_ort_backends import discover


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


def last_error(result: Result) -> str:
    """Return the line that says why the command failed, and check that it did so without a traceback."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stderr.strip().splitlines()[-1]


def cache_model(cache_dir: Path, name: str, weights: str = "int8") -> Path:
    """Put the reference model's folder into a cache under a name, as a conversion would."""
    source = builtin_models(discover())["reference"]
    key = CacheKey(name, "0" * 64, weights)
    folder = cache_dir / "models" / key.folder_name
    shutil.copytree(source, folder)
    write_manifest(folder, key)
    return folder


def add_plugin(root: Path, name: str, source: str) -> None:
    """Write an importable distribution with a backend's entry point into ``root``, which is on ``sys.path``."""
    module = f"jan_ort_test_{name}"
    (root / f"{module}.py").write_text(source)
    metadata = root / f"{module}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: jan-ort-test-{name}\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[jan_ort.backends]\n{name} = {module}:backend\n")
