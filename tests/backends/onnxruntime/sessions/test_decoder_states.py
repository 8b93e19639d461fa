"""A genai package of Qwen 3.5's kind: one layer keeps the states of a convolution and a recurrence, one attends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from jan_ort_backends import BadInput, ModelError, OpenOptions, Session, SlotTokens, check_session
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.backends.onnxruntime.layout_folders import FIXTURES

WIDTH, VOCAB_SIZE, KERNEL = 8, 300, 4
PROMPT = np.random.default_rng(0).integers(0, 250, 12)
LAYER = "past_key_values.0"


def node(kind: str, inputs: str, output: str, **at: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), output.split(), domain=at.pop("domain", ""), **at)


def nodes() -> list[onnx.NodeProto]:
    """Return a model whose logits turn on all that it keeps, and on positions."""
    return [
        node("Gather", "embedding input_ids", "x"),
        node("Transpose", "x", "channels", perm=[0, 2, 1]),
        node(
            "CausalConvWithState",
            f"channels kernel bias {LAYER}.conv_state",
            "convolved present.0.conv_state",
            domain="com.microsoft",
        ),
        node("Transpose", "convolved", "first", perm=[0, 2, 1]),
        node("CumSum", "x one", "sums"),
        node("Unsqueeze", f"{LAYER}.recurrent_state one", "before"),
        node("Add", "sums before", "second"),
        node("ReduceSum", "x one", "all", keepdims=0),
        node("Add", f"{LAYER}.recurrent_state all", "present.0.recurrent_state"),
        node("Unsqueeze", "x one", "heads"),
        node("Concat", "past_key_values.1.key heads", "present.1.key", axis=2),
        node("Concat", "past_key_values.1.value heads", "present.1.value", axis=2),
        node("ReduceMean", "present.1.value two", "third", keepdims=0),
        node("ReduceSum", "position_ids zero", "places", keepdims=0),
        node("Unsqueeze", "places two", "placed"),
        node("Cast", "placed", "floats", to=TensorProto.FLOAT),
        node("Add", "first second", "both"),
        node("Add", "both third", "more"),
        node("Add", "more floats", "most"),
        node("MatMul", "most head", "logits"),
    ]


def write(folder: Path, recurrent_size: int | str = WIDTH) -> Path:
    """Write the package."""
    folder.mkdir()
    random, floats, integers = np.random.default_rng(1), TensorProto.FLOAT, TensorProto.INT64
    cache, states = (
        ["batch", 1, "past", WIDTH],
        {"conv": ["batch", WIDTH, KERNEL - 1], "recurrent": ["batch", recurrent_size]},
    )
    values = {
        "input_ids": (integers, ["batch", "sequence"]),
        "attention_mask": (integers, ["batch", "total"]),
        "position_ids": (integers, [3, "batch", "sequence"]),
        **{f"past_key_values.1.{part}": (floats, cache) for part in ("key", "value")},
        **{f"{LAYER}.{kind}_state": (floats, shape) for kind, shape in states.items()},
    }
    outputs = {
        "logits": (floats, ["batch", "sequence", VOCAB_SIZE]),
        **{f"present.1.{part}": (floats, cache) for part in ("key", "value")},
        **{f"present.0.{kind}_state": (floats, shape) for kind, shape in states.items()},
    }
    weights = {
        "embedding": random.standard_normal((VOCAB_SIZE, WIDTH), np.float32),
        "kernel": random.standard_normal((WIDTH, 1, KERNEL), np.float32),
        "bias": random.standard_normal(WIDTH, np.float32),
        "head": random.standard_normal((WIDTH, VOCAB_SIZE), np.float32),
        **{name: np.array([index], np.int64) for index, name in enumerate(("zero", "one", "two"))},
    }
    graph = helper.make_graph(
        nodes(),
        "hybrid",
        [helper.make_tensor_value_info(name, *value) for name, value in values.items()],
        [helper.make_tensor_value_info(name, *value) for name, value in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / "model.onnx")
    names = {
        "past_conv_names": "past_key_values.%d.conv_state",
        "past_recurrent_names": f"{LAYER[:-1]}%d.recurrent_state",
    }
    decoder = {"filename": "model.onnx", "inputs": names, "num_hidden_layers": 2}
    model = {"type": "qwen3_5_text", "context_length": 64, "vocab_size": VOCAB_SIZE, "decoder": decoder}
    (folder / "genai_config.json").write_text(json.dumps({"model": model}))
    shutil.copy(FIXTURES / "tokenizer.json", folder)
    return folder


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    opened = OnnxRuntimeBackend().open(write(tmp_path / "qwen"), OpenOptions(num_slots=3))
    yield opened
    opened.close()


def run(session: Session, slot: int, *parts: NDArray[np.int64], keep: bool = False) -> NDArray[np.float32]:
    return [session.step([SlotTokens(slot, part, keep=keep)]).logits[0].copy() for part in parts][-1]


def test_states_go_on_from_chunk_to_chunk_and_token_to_token(session: Session) -> None:
    check_session(OnnxRuntimeBackend(), session)
    whole = run(session, 0, PROMPT)

    np.testing.assert_allclose(run(session, 1, PROMPT[:5], PROMPT[5:]), whole, atol=1e-4)
    np.testing.assert_allclose(run(session, 2, *PROMPT[:, np.newaxis]), whole, atol=1e-4)


def test_a_slot_is_cut_and_copied_at_its_checkpoints_only(session: Session) -> None:
    whole = run(session, 0, PROMPT[:5], PROMPT[5:])
    run(session, 1, PROMPT[:5], keep=True)
    run(session, 1, PROMPT[::-1])

    session.fork(1, 2, 5)
    session.truncate(1, 5)

    assert [run(session, slot, PROMPT[5:]).tolist() for slot in (1, 2)] == [whole.tolist()] * 2
    with pytest.raises(BadInput, match="not a length that slot 1 can be cut to; it can be to 0, 5, 12"):
        session.truncate(1, 6)


def test_an_emptied_slot_begins_anew(session: Session) -> None:
    whole = run(session, 0, PROMPT)
    session.truncate(0, 0)

    assert np.array_equal(run(session, 0, PROMPT), whole)


def test_the_last_checkpoints_are_kept(session: Session) -> None:
    most = session.info.num_checkpoints
    assert most is not None
    for token_id in PROMPT[: most + 2]:
        run(session, 0, np.array([token_id]), keep=True)

    with pytest.raises(BadInput, match="not a length"):
        session.truncate(0, 2)
    session.truncate(0, 3)


def test_a_state_of_any_size_is_refused_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "odd", "size")

    with pytest.raises(ModelError, match=r"state past_key_values\.0\.recurrent_state must be .* of fixed sizes"):
        OnnxRuntimeBackend().open(folder, OpenOptions())


def test_a_saved_slot_goes_on_with_its_states(session: Session) -> None:
    run(session, 0, PROMPT, PROMPT[:1], keep=True)
    state = session.save(0)
    expected = run(session, 0, PROMPT[:3])
    session.truncate(0, 0)

    for slot in (0, 2):
        session.load(slot, state)
        assert np.array_equal(run(session, slot, PROMPT[:3]), expected)
        with pytest.raises(BadInput):
            session.truncate(slot, len(PROMPT))  # the checkpoints were left
