"""``jan-ort models export`` asks optimum for the right thing, and says what is missing without it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands.running import last_error, run


def install_optimum(monkeypatch: pytest.MonkeyPatch, main_export: Callable[..., None]) -> None:
    """Put a module of optimum's name and signature where the real one would be."""
    module = types.ModuleType("optimum.exporters.onnx")
    module.main_export = main_export  # type: ignore[attr-defined]
    for name in ("optimum", "optimum.exporters"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)


def write_folder(output: Path) -> None:
    (output / "model.onnx").touch()
    (output / "tokenizer.json").write_text("{}")
    (output / "config.json").write_text('{"max_position_embeddings": 8}')


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], {"task": "text-generation-with-past", "dtype": "fp32"}),
        (["--task", "embed", "--dtype", "fp16"], {"task": "feature-extraction", "dtype": "fp16"}),
    ],
)
def test_optimum_is_asked_for_the_task_and_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: list[str], expected: dict[str, str]
) -> None:
    asked: list[dict[str, Any]] = []

    def main_export(model_name_or_path: str, output: Path, **options: Any) -> None:
        asked.append({"model": model_name_or_path} | options)
        write_folder(output)

    install_optimum(monkeypatch, main_export)

    result = run("models", "export", "org/name", "--output", str(tmp_path / "out"), *flags)

    assert result.exit_code == 0, result.output
    assert asked == [{"model": "org/name"} | expected]
    assert (tmp_path / "out" / "model.onnx").exists()


def test_without_optimum_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "optimum", None)

    result = run("models", "export", "org/name", "--output", str(tmp_path / "out"))

    assert result.exit_code == 1
    assert 'python -m pip install ".[export]" in jan-ort\'s own folder' in last_error(result)
    assert not list(tmp_path.glob("*out*"))


def test_an_export_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def main_export(model_name_or_path: str, output: Path, **options: Any) -> None:
        write_folder(output)
        raise KeyError("no such\narchitecture")

    install_optimum(monkeypatch, main_export)

    result = run("models", "export", "org/name", "--output", str(tmp_path / "out"))

    assert result.exit_code == 1
    assert "org/name cannot be exported" in last_error(result)
    assert not list(tmp_path.glob("*out*"))


def test_an_export_without_a_tokenizer_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install_optimum(monkeypatch, lambda model_name_or_path, output, **options: (output / "model.onnx").touch())

    result = run("models", "export", "org/name", "--output", str(tmp_path / "out"))

    assert result.exit_code == 1
    assert "tokenizer.json" in last_error(result)
