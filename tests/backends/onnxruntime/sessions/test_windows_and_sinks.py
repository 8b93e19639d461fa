"""A genai package whose attention is gpt-oss': a window in every second layer, and sinks in all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from jan_ort_backends import OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.sessions.generation_session import GenerationSession
from tests.backends.onnxruntime.layout_folders import write_folder

WINDOW, SINK_INPUT = 8, 11
PROMPTS = [np.random.default_rng(0).integers(0, 250, length) for length in (30, 13, 23)]


def with_windows_and_sinks(folder: Path, *, sinks: bool) -> Path:
    """Write the recorded llama as gpt-oss' package has it."""
    write_folder("genai", "llama", folder)
    model = onnx.load(folder / "model.onnx")
    attention = [node for node in model.graph.node if node.op_type == "GroupQueryAttention"]
    for layer, node in enumerate(attention):
        at = {each.name: each for each in node.attribute}
        window = helper.make_attribute("local_window_size", -1 if layer % 2 else WINDOW)
        del node.attribute[:]
        node.attribute.extend((at | {window.name: window}).values())
        if sinks:
            values = np.linspace(-1, 2, at["num_heads"].i, dtype=np.float32)
            model.graph.initializer.append(numpy_helper.from_array(values, f"sinks.{layer}"))
            node.input.extend([""] * (SINK_INPUT + 1 - len(node.input)))
            node.input[SINK_INPUT] = f"sinks.{layer}"
    (folder / "model.onnx.data").unlink()
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="model.onnx.data")
    return folder


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    folder = with_windows_and_sinks(tmp_path / "gpt-oss", sinks=True)
    opened = OnnxRuntimeBackend().open(folder, OpenOptions(num_slots=3))
    yield opened
    opened.close()


def run(session: Session, slots: list[int]) -> list[NDArray[np.float32]]:
    """Return for each slot the logits of its prompt's last token and of one more."""
    for slot in slots:
        session.truncate(slot, 0)
    prompts = session.step([SlotTokens(slot, PROMPTS[slot]) for slot in slots]).logits.copy()
    more = session.step([SlotTokens(slot, np.array([5])) for slot in slots]).logits.copy()
    return [np.stack(each) for each in zip(prompts, more, strict=True)]


def test_sequences_run_together_with_the_logits_that_they_have_alone(session: Session) -> None:
    alone = [run(session, [slot])[0] for slot in range(3)]

    together = run(session, [0, 1, 2])

    assert isinstance(session, GenerationSession)
    assert all(np.array_equal(each, other) for each, other in zip(alone, together, strict=True))


def test_a_prompt_beyond_the_window_is_the_same_in_chunks_and_token_by_token(session: Session) -> None:
    whole, _ = run(session, [0])[0]

    chunks = [PROMPTS[0][:11], PROMPTS[0][11:]]
    tokens = [PROMPTS[0][index : index + 1] for index in range(len(PROMPTS[0]))]
    found = []
    for parts in (chunks, tokens):
        session.truncate(0, 0)
        found.append([session.step([SlotTokens(0, part)]).logits[0].copy() for part in parts][-1])

    assert np.array_equal(found[0], whole)
    np.testing.assert_allclose(found[1], whole, atol=1e-4)


def test_sinks_count(session: Session, tmp_path: Path) -> None:
    plain = OnnxRuntimeBackend().open(with_windows_and_sinks(tmp_path / "plain", sinks=False), OpenOptions(num_slots=3))

    assert np.abs(run(session, [0])[0] - run(plain, [0])[0]).max() > 0.01
