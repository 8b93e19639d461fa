"""Experts one by one in a GGUF file are those of one tensor, as llama.cpp has written them since April 2024."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFWriter

from jan_ort.convert import convert_gguf
from jan_ort.convert.weights.schemes import Weights
from jan_ort.ground.model_errors import ConversionError
from tests.fixtures.gguf_models import write


def converted(folder: Path, weights: Weights, floats: str) -> dict[str, bytes]:
    folder.mkdir()
    source = write("mixtral", folder, floats, layers=1)
    target = folder / "converted"
    target.mkdir()
    convert_gguf(source, target, weights=weights)
    return {path.name: path.read_bytes() for path in target.glob("model*")}


def write_apart(monkeypatch: pytest.MonkeyPatch, *, gone: str = "", other: str = "") -> None:
    """Have experts written one by one, without the one ``gone``, and ``other`` as float32."""
    add = GGUFWriter.add_tensor

    def apart(writer: GGUFWriter, name: str, tensor: Any, **how: Any) -> None:
        before, is_expert, kind = name.partition("_exps.")
        for number, expert in enumerate(tensor) if is_expert else ():
            if (one := f"{before}.{number}.{kind}") != gone:
                add(writer, one, expert.astype("f4") if one == other else expert, **how)
        if not is_expert:
            add(writer, name, tensor, **how)

    monkeypatch.setattr(GGUFWriter, "add_tensor", apart)


@pytest.mark.parametrize(("weights", "floats"), [("fp16", "F16"), ("int8", "F16"), ("int4", "Q4_0"), ("int8", "Q8_0")])
def test_experts_one_by_one_make_the_same_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Weights, floats: str
) -> None:
    together = converted(tmp_path / "together", weights, floats)
    write_apart(monkeypatch)

    assert converted(tmp_path / "apart", weights, floats) == together


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"gone": "blk.0.ffn_up.7.weight"}, "'blk.0.ffn_up_exps.weight' has the shape"),
        ({"gone": "blk.0.ffn_up.3.weight"}, "an expert of 'blk.0.ffn_up_exps.weight' is missing"),
        ({"other": "blk.0.ffn_down.2.weight"}, "'blk.0.ffn_down.2.weight' are F16 .* and F32 .* made after April 2024"),
    ],
    ids=str,
)
def test_experts_that_do_not_fit_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, str], told: str
) -> None:
    write_apart(monkeypatch, **how)

    with pytest.raises(ConversionError, match=told):
        converted(tmp_path / "apart", "fp16", "F16")
