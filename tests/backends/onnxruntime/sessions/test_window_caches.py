"""Graphs that keep only the last positions of a layer's cache, and packages whose cache others are to cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from jan_ort_backends import BadInput, ModelError, OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.backends.onnxruntime.layout_folders import write_folder

WINDOW = 8
TOKENS = np.random.default_rng(3).integers(0, 256, 60)


def with_short_cache(folder: Path) -> Path:
    """Write the recorded gemma3 with a first layer that keeps as many positions as its window looks back on."""
    write_folder("optimum", "gemma3", folder)
    model = onnx.load(folder / "model.onnx")
    graph = model.graph
    for name, values in {"begin": [1 - WINDOW], "end": [2**62], "axis": [2]}.items():
        graph.initializer.append(numpy_helper.from_array(np.array(values), f"kept.{name}"))
    for part in ("key", "value"):
        whole, present = f"whole.{part}", f"present.0.{part}"
        for node in graph.node:
            node.input[:] = [whole if name == present else name for name in node.input]
            node.output[:] = [whole if name == present else name for name in node.output]
        graph.node.append(helper.make_node("Slice", [whole, "kept.begin", "kept.end", "kept.axis"], [present]))
    _count_on_from_the_other_layer(graph)
    _look_at_the_last_columns(graph)
    onnx.save(model, folder / "model.onnx")
    return folder


def _count_on_from_the_other_layer(graph: Any) -> None:
    node = next(node for node in graph.node if node.op_type == "Shape" and "past_key_values.0.key" in node.input)
    node.input[0] = "past_key_values.1.key"


def _look_at_the_last_columns(graph: Any) -> None:
    """Slice the first layer's mask from its end: it is as wide as the sequence, and the keys are fewer."""
    place, node = next(
        (place, node)
        for place, node in enumerate(graph.node)
        if node.op_type == "Slice" and node.output[0] == "/model/layers.0/self_attn/Slice_4_output_0"
    )
    graph.node.insert(place, helper.make_node("Neg", [node.input[2]], ["last.begin"]))
    node.input[1], node.input[2] = "last.begin", "kept.end"


def opened(folder: Path) -> Session:
    return OnnxRuntimeBackend().open(folder, OpenOptions(num_slots=3))


def steps(session: Session, slot: int = 0) -> list[NDArray[np.float32]]:
    """Return the logits of a prompt of several windows, in chunks, and of tokens after it."""
    chunks = np.split(TOKENS[:50], [5, 30, 40, *range(41, 50)])
    return [session.step([SlotTokens(slot, chunk, len(chunk), keep=True)]).logits.copy() for chunk in chunks]


def test_prompts_longer_than_the_window_have_the_logits_of_a_whole_cache(tmp_path: Path) -> None:
    short = opened(with_short_cache(tmp_path / "short"))
    whole = opened(write_folder("optimum", "gemma3", tmp_path / "whole"))

    for ours, theirs in zip(steps(short), steps(whole), strict=True):
        assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_what_was_forgotten_is_had_again_at_checkpoints_only(tmp_path: Path) -> None:
    session = opened(with_short_cache(tmp_path / "short"))
    session.step([SlotTokens(0, TOKENS[:30], keep=True)])
    expected = session.step([SlotTokens(0, TOKENS[30:40])]).logits.copy()

    session.fork(0, 1, 30)

    assert session.info.num_checkpoints
    assert_array_equal(session.step([SlotTokens(1, TOKENS[30:40])]).logits, expected)
    with pytest.raises(BadInput):
        session.truncate(0, 35)


def test_sequences_together_have_the_logits_that_they_have_alone(tmp_path: Path) -> None:
    session = opened(with_short_cache(tmp_path / "short"))
    alone = session.step([SlotTokens(2, TOKENS[:20])]).logits[0].copy()

    together = session.step([SlotTokens(0, TOKENS[20:50]), SlotTokens(1, TOKENS[:20])]).logits

    assert_array_equal(together[1], alone)


@pytest.mark.parametrize("stated", [{"window_size": 8, "slide_key_value_cache": True}, {"window_size": 8}])
def test_a_package_whose_cache_others_cut_is_refused_by_name(stated: dict[str, object], tmp_path: Path) -> None:
    folder = _package(tmp_path / "folder", stated)

    with pytest.raises(ModelError, match="sliding_window has slide_key_value_cache"):
        opened(folder)


def test_a_package_whose_cache_is_whole_is_opened(tmp_path: Path) -> None:
    folder = _package(tmp_path / "folder", {"window_size": 8, "slide_key_value_cache": False, "layers": [0]})

    assert opened(folder).info.num_checkpoints is None


def test_a_graph_for_a_fixed_number_of_tokens_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_folder("optimum", "llama", tmp_path / "folder")
    model = onnx.load(folder / "model.onnx")
    (value,) = [value for value in model.graph.input if value.name == "input_ids"]
    value.type.tensor_type.shape.dim[1].dim_value = 64
    onnx.save(model, folder / "model.onnx")

    with pytest.raises(ModelError, match="it takes 64 tokens a run and no other number"):
        opened(folder)


def _package(folder: Path, sliding_window: dict[str, object]) -> Path:
    write_folder("genai", "mistral", folder)
    path = folder / "genai_config.json"
    content = json.loads(path.read_text())
    content["model"]["decoder"]["sliding_window"] = sliding_window
    path.write_text(json.dumps(content))
    return folder
