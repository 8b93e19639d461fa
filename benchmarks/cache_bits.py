"""What a KV cache in 8 bits would be worth: the same graph with int8 keys and values beside float32, one thread.

Scales are of each channel of each head, by the largest values of a calibration text; a key's two channels that rotate
together share one. Prints CPU time of steps and of prompts in turns, whether a sequence has the same bits in chunks and
in company, and the mean KL divergence over another text: of int8 from float32, and what one-token steps alone have.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from jan_ort.convert.graph.calibration import CALIBRATION_TEXT
from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.settings.schema import Settings
from jan_ort_backends import OpenOptions, SlotTokens
from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph, cache_names, read_generation
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder
from jan_ort_onnxruntime.providers.proven_opening import open_proven
from jan_ort_onnxruntime.session_settings import SessionSettings
from jan_ort_onnxruntime.sessions.generation_session import GenerationSession

NUM_SLOTS = 16
Tokens = NDArray[np.int64]


def opened(folder: OnnxFolder, graph: GenerationGraph, content: bytes | None = None) -> GenerationSession:
    """Return a session of one thread; ``content`` is what to load instead of the folder's graph."""
    session = open_proven(
        folder.file,
        SessionSettings(1, provider="cpu"),
        lambda loaded, device: GenerationSession(
            loaded, graph, OpenOptions(NUM_SLOTS, min(1536, graph.context_length)), device, ""
        ),
        content=content,
    )
    assert isinstance(session, GenerationSession), "made so"
    return session


def bounds(values: NDArray[np.float32], *, rotates: bool) -> NDArray[np.float32]:
    """Return the largest value of each channel, ``(1, heads, 1, head_dim)``, of ``(heads, tokens, head_dim)``."""
    if rotates:
        first, second = np.split(values, 2, axis=2)
        length = np.sqrt(first**2 + second**2)
        values = np.concatenate([length, length], axis=2)
    largest: NDArray[np.float32] = np.abs(values).max(axis=1)[np.newaxis, :, np.newaxis]
    return np.maximum(largest, np.float32(1e-9))


def eight_bits(path: Path, cached: Sequence[NDArray[np.float32]]) -> bytes:
    """Return the graph with a cache of 8 bits, by what ``cached`` holds of each layer's keys and values."""
    model = onnx.load(path, load_external_data=False)
    graph, names = model.graph, [cache_names(index) for index in range(len(cached))]
    for index, (past, _) in enumerate(names):
        scale = bounds(cached[index], rotates=index % 2 == 0) * np.float32(1.1 / 127)
        graph.initializer.append(numpy_helper.from_array(scale, f"scale.{past}"))
    for value in [*graph.input, *graph.output]:
        if value.name in {name for both in names for name in both}:
            value.type.tensor_type.elem_type = TensorProto.INT8
    for node in graph.node:
        if node.op_type == "GroupQueryAttention":
            scales = [f"scale.{name.replace('present.', 'past_key_values.')}" for name in node.input[3:5]]
            node.input.extend([""] * (12 - len(node.input)) + scales)
            kinds = {"k_quant_type": "PER_CHANNEL", "v_quant_type": "PER_CHANNEL", "kv_cache_bit_width": 8}
            node.attribute.extend(helper.make_attribute(name, value) for name, value in kinds.items())
    content: bytes = model.SerializeToString()
    return content


def read(session: GenerationSession, tokens: Tokens, chunk: int = 64) -> NDArray[np.float32]:
    """Return the logits of each token of a text in slot 0, which is left as it is then."""
    session.truncate(0, 0)
    parts = [tokens[begin : begin + chunk] for begin in range(0, len(tokens), chunk)]
    return np.concatenate([session.step([SlotTokens(0, part, len(part))]).logits.copy() for part in parts])


def divergence(logits: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Return the mean KL divergence of the second distributions from the first, in nats."""
    first, second = (each - each.max(axis=1, keepdims=True) for each in (logits, others))
    first, second = (each - np.log(np.exp(each).sum(axis=1, keepdims=True)) for each in (first, second))
    return float((np.exp(first) * (first - second)).sum(axis=1).mean())


def same_in_company(session: GenerationSession, tokens: Tokens) -> bool:
    """Whether a decode step of three slots, of several lengths, has the bits of each alone."""
    read(session, tokens)
    for slot, length in ((1, len(tokens) // 2), (2, 9)):
        session.fork(0, slot, length)
    rows = [SlotTokens(slot, tokens[:1]) for slot in range(3)]
    together = session.step(rows).logits.copy()
    for slot in range(3):
        session.truncate(slot, session.length(slot) - 1)
    return all(np.array_equal(session.step([row]).logits[0], together[row.slot]) for row in rows)


def step_ms(session: GenerationSession, past: int, num_rows: int, num_tokens: int = 1, times: int = 9) -> float:
    """Return the least CPU milliseconds of a step of so many rows and tokens after ``past``."""
    rng, taken = np.random.default_rng(0), []
    for slot in range(num_rows):
        session.truncate(slot, 0)
    for begin in range(0, past, 128):
        session.step([SlotTokens(0, rng.integers(100, 5000, min(128, past - begin)), 0)])
    for slot in range(1, num_rows):
        session.fork(0, slot, past)
    for _ in range(times):
        rows = [SlotTokens(slot, rng.integers(100, 5000, num_tokens)) for slot in range(num_rows)]
        started = time.thread_time()
        session.step(rows)
        taken.append(1e3 * (time.thread_time() - started))
        for slot in range(num_rows):
            session.truncate(slot, past)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    parser.add_argument("--weights", default="int8")
    parser.add_argument(
        "--text", type=Path, default=Path(__file__), help="text to compare the answers' distributions on"
    )
    parser.add_argument("--tokens", type=int, default=600, help="of that text")
    options = parser.parse_args()
    path = resolve_model(options.model, task=GENERATE, cache_dir=Settings.read().cache_dir, weights=options.weights)
    folder, tokenizer = OnnxFolder.read(path), TextTokenizer(path / "tokenizer.json")
    graph = read_generation(folder)
    plain, text = opened(folder, graph), tokenizer.encode(options.text.read_text())[: options.tokens]
    calibration = tokenizer.encode(CALIBRATION_TEXT)
    read(plain, calibration)
    cached = [each[0, :, : len(calibration)].copy() for each in plain._kv_rows._tensors]  # type: ignore[union-attr]
    small = opened(folder, replace(graph, cache_dtype="int8"), eight_bits(folder.model_path, cached))

    logits, eight = read(plain, text), read(small, text)
    steps = divergence(logits[: len(text) // 4], read(plain, text[: len(text) // 4], chunk=1))
    print(f"int8: the same bits in other chunks {np.array_equal(eight, read(small, text, chunk=37))}", end=", ")
    one_by_one = np.array_equal(eight[: len(text) // 4], read(small, text[: len(text) // 4], chunk=1))
    print(f"in steps of one token {one_by_one}, in company {same_in_company(small, text)}", flush=True)
    print(f"mean KL from float32: int8 {divergence(logits, eight):.4f}; float32 in steps of one token {steps:.4f}")
    print("| after | rows × tokens | float32, ms | int8, ms | ratio |\n|---|---|---|---|---|", flush=True)
    for past in (64, 1000):
        for num_rows, num_tokens in ((1, 1), (8, 1), (16, 1), (1, 64), (1, 256)):
            one, other = (step_ms(each, past, num_rows, num_tokens) for each in (plain, small))
            print(f"| {past} | {num_rows} × {num_tokens} | {one:.1f} | {other:.1f} | {other / one:.2f} |", flush=True)


if __name__ == "__main__":
    main()
