"""Decoders that concatenate their cache run together where that is exact, and as they are where it is not."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jan_ort_backends import OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend, opening
from jan_ort_onnxruntime.rewriting import shared_attention, sharing
from jan_ort_onnxruntime.sessions.decoding_session import DecodingSession
from jan_ort_onnxruntime.sessions.generation_session import GenerationSession
from tests.backends.onnxruntime.layout_folders import ARCHITECTURES, write_folder

TOKENS = np.random.default_rng(3).integers(0, 256, 120)


def opened(folder: Path) -> Session:
    return OnnxRuntimeBackend().open(folder, OpenOptions(num_slots=4))


def logits_of(session: Session) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Return the logits of a prompt in two chunks, beyond every window, and of some tokens after it."""
    chunks = [TOKENS[:40], TOKENS[40:100], *np.split(TOKENS[100:110], 10)]
    return [session.step([SlotTokens(0, chunk, len(chunk))]).logits.copy() for chunk in chunks]


@pytest.mark.parametrize("layout", ["optimum", "merged"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_long_sequences_have_the_logits_of_the_graph_as_it_is(
    layout: str, architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(layout, architecture, tmp_path / "folder")
    shared = opened(folder)
    monkeypatch.setattr(opening, "_open_sharing", lambda *_: None)
    alone = opened(folder)

    assert isinstance(shared, GenerationSession)
    assert isinstance(alone, DecodingSession)
    for ours, theirs in zip(logits_of(shared), logits_of(alone), strict=True):
        assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_weights_in_other_files_stay_there(tmp_path: Path) -> None:
    folder = write_folder("optimum", "llama", tmp_path / "folder")
    model = onnx.load(folder / "model.onnx")
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="model.onnx_data", size_threshold=64)
    before = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}

    session = opened(folder)

    assert isinstance(session, GenerationSession)
    assert {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()} == before


@pytest.mark.parametrize("beside", [False, True])
def test_a_cache_of_the_hub_that_has_links_runs_together_too(tmp_path: Path, beside: bool) -> None:
    """ONNX Runtime reads weights behind a link only where the graph itself really lies."""
    folder, blobs = write_folder("optimum", "llama", tmp_path / "snapshot"), tmp_path / "blobs"
    expected = logits_of(opened(folder))
    if beside:
        model = onnx.load(folder / "model.onnx")
        onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="model.onnx_data")
    blobs.mkdir()
    for path in folder.glob("model.onnx*"):
        path.rename(blobs / f"hash-of-{path.name}")
        try:
            path.symlink_to(f"../blobs/hash-of-{path.name}")
        except OSError:  # Windows has them for who may
            pytest.skip("links cannot be made here")

    session = opened(folder)

    assert isinstance(session, GenerationSession)
    for ours, theirs in zip(logits_of(session), expected, strict=True):
        assert_array_equal(ours, theirs)


def test_large_weights_are_not_copied(tmp_path: Path) -> None:
    folder = write_folder("optimum", "llama", tmp_path / "folder")
    graph = sharing.GraphParts.read(folder / "model.onnx")

    largest = max(len(message) for message in graph.weights.values())

    assert largest < 200
    assert (folder / "model.onnx").stat().st_size - len(graph.written()) > 150_000


def _of_type(model: onnx.ModelProto, op_type: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == op_type]


def _constant(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    (node,) = [node for node in model.graph.node if name in node.output]
    return node.attribute[0].t


def _add_a_slope(model: onnx.ModelProto) -> None:
    masks = [node for node in _of_type(model, "Where") if "self_attn/Where_2" in node.output[0]]
    for name in {node.input[1] for node in masks}:
        _constant(model, name).CopyFrom(onnx.numpy_helper.from_array(np.array([0.5], np.float32)))


def _hide_itself(model: onnx.ModelProto) -> None:
    (node,) = _of_type(model, "LessOrEqual")
    node.op_type = "Less"


def _repeat_all_heads(model: onnx.ModelProto) -> None:
    node = next(node for node in _of_type(model, "Unsqueeze") if node.input[0] == "present.0.key")
    _constant(model, node.input[1]).CopyFrom(onnx.numpy_helper.from_array(np.array([1])))


def _read_the_cache(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if "logits" in node.output)
    node.output[0] = "plain"
    model.graph.node.append(onnx.helper.make_node("ReduceSum", ["past_key_values.0.key"], ["sum"], keepdims=0))
    model.graph.node.append(onnx.helper.make_node("Add", ["plain", "sum"], ["logits"]))


def _quantise_what_comes(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if "logits" in node.output)
    before, outputs = node.input[0], ["codes", "scale", "zero"]
    node.input[0] = "rounded"
    place = list(model.graph.node).index(node)
    model.graph.node.insert(place, onnx.helper.make_node("DequantizeLinear", outputs, ["rounded"]))
    model.graph.node.insert(place, onnx.helper.make_node("DynamicQuantizeLinear", [before], outputs))


def _scale_each_head(model: onnx.ModelProto) -> None:
    node = next(node for node in _of_type(model, "Mul") if "self_attn/Mul_8" in node.output[0])
    values = np.full((4, 1, 1), 0.5, np.float32)
    _constant(model, node.input[1]).CopyFrom(onnx.numpy_helper.from_array(values))


def _put_in_a_condition(model: onnx.ModelProto) -> None:
    branch = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["plain"], ["same"])], "branch", [], [])
    branch.output.append(onnx.ValueInfoProto(name="same"))
    node = next(node for node in model.graph.node if "logits" in node.output)
    node.output[0] = "plain"
    asked = onnx.numpy_helper.from_array(np.array(True), "asked")
    model.graph.initializer.append(asked)
    model.graph.node.append(onnx.helper.make_node("If", ["asked"], ["logits"], then_branch=branch, else_branch=branch))


REFUSED: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "a slope": (_add_a_slope, "adds something else than a mask"),
    "a strange mask": (_hide_itself, "neither causal nor a window"),
    "heads in another order": (_repeat_all_heads, "repeats its heads in another order"),
    "a cache that is read": (_read_the_cache, "ReduceSum uses the cache"),
    "rounding of all rows": (_quantise_what_comes, "DynamicQuantizeLinear makes a sequence's values depend on"),
    "factors of heads": (_scale_each_head, "scaled by several numbers"),
    "a condition": (_put_in_a_condition, "conditions or loops"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_exact_runs_as_it_is(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    change, reason = REFUSED[name]
    folder = write_folder("optimum", "llama", tmp_path / "folder")
    model = onnx.load(folder / "model.onnx")
    change(model)
    onnx.save(model, folder / "model.onnx")
    caplog.set_level(logging.INFO, opening.__name__)

    session = opened(folder)

    assert isinstance(session, DecodingSession)
    (line,) = [record.getMessage() for record in caplog.records if "one at a time" in record.getMessage()]
    assert reason in line


def test_a_rewriting_that_is_wrong_is_found_by_its_logits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    measure = sharing._measure
    monkeypatch.setattr(sharing, "_measure", lambda *of: replace(measure(*of), scale=measure(*of).scale * 1.05))
    caplog.set_level(logging.INFO, opening.__name__)

    session = opened(write_folder("optimum", "llama", tmp_path / "folder"))

    assert isinstance(session, DecodingSession)
    assert "its logits would differ by" in caplog.text


def test_values_that_depend_on_company_are_found_by_running_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_folder("optimum", "llama", tmp_path / "folder")
    model = onnx.load(folder / "model.onnx")
    _quantise_what_comes(model)
    onnx.save(model, folder / "model.onnx")
    monkeypatch.setattr(shared_attention, "_MIXES_ROWS", set())
    monkeypatch.setattr(sharing, "MAX_DIFFERENCE", 1.0)
    caplog.set_level(logging.INFO, opening.__name__)

    session = opened(folder)

    assert isinstance(session, DecodingSession)
    assert "a sequence's logits would depend on its company" in caplog.text


def test_slots_that_run_together_are_forked_and_cut_like_others(tmp_path: Path) -> None:
    session = opened(write_folder("optimum", "gemma3", tmp_path / "folder"))
    session.step([SlotTokens(0, TOKENS[:50])])
    session.fork(0, 2, 30)
    forked = session.step([SlotTokens(2, TOKENS[30:50])]).logits.copy()
    session.truncate(0, 30)

    assert_array_equal(session.step([SlotTokens(0, TOKENS[30:50])]).logits, forked)
