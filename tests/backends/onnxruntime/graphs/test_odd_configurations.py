"""Whatever the small files hold, a folder is accepted or declined, and no other error leaves the backend."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jan_ort_backends import Accepts, Declines
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from tests.backends.onnxruntime.layout_folders import write_embedding_folder, write_folder

VALUES: tuple[Any, ...] = (None, -1, "x", [1], {"a": 1})


def variants(content: Any) -> Iterator[Any]:
    """Yield ``content`` with one value in it exchanged, each for each of VALUES."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        for other in (*VALUES, *variants(value)):
            changed = content.copy()
            changed[key] = other
            yield changed


def write(layout: str, folder: Path) -> Path:
    if layout == "encoder":
        write_embedding_folder(folder)
        config = json.loads((folder / "config.json").read_text())
        del config["vocab_size"]  # so that the tokenizer's is read
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "config_sentence_transformers.json").write_text('{"default_prompt_name": null}')
        (folder / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1}]}')
        return folder
    return write_folder(layout, "llama", folder)


@pytest.mark.parametrize("layout", ["genai", "optimum", "encoder"])
def test_a_value_of_another_type_is_declined_or_left_out(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, backend = write(layout, tmp_path / "folder"), OnnxRuntimeBackend()
    monkeypatch.setattr(OnnxFile, "read", cache(OnnxFile.read))  # the graph stays as it is
    assert backend.accepts(folder) == Accepts()
    if layout != "encoder":
        (folder / "tokenizer.json").unlink()  # large, and not read of a decoder

    answers = []
    for path in sorted(folder.rglob("*.json")):
        content = path.read_text()
        for variant in variants(json.loads(content)):
            path.write_text(json.dumps(variant))
            answers.append(backend.accepts(folder))
        path.write_text(content)

    assert len(answers) > 30
    assert {type(answer) for answer in answers} <= {Accepts, Declines}
