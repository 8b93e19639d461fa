"""How near a converted small file comes to llama.cpp, and what its graph promises of chunks and company."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert import convert_gguf
from jan_ort.convert.weights.schemes import Weights
from jan_ort_backends import OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.convert.tiny_llama import LlamaSession
from tests.fixtures.gguf_models import RECIPES, write
from tests.fixtures.gguf_models.recordings import TOKEN_IDS, recorded_logits

NEAR_TIE = 1e-3
"""Where the two best logits of llama.cpp are this near, either may be ours."""

_CHUNKS = (0, 20, 41, 48)
_PROMPTS = (np.array(TOKEN_IDS[:20]), np.array(TOKEN_IDS[5:45]), np.array(TOKEN_IDS[8:27]))


@dataclass(frozen=True)
class Proof:
    """Of one scheme: the mean KL divergence from llama.cpp, at how many positions the best token is the same or tied.

    ``chunked``: a prompt in chunks has the logits of one at once. ``in_company``: a sequence has the same logits alone.
    Both to the bit.
    """

    kl: float
    num_best: int
    chunked: bool
    in_company: bool


def oracle_logits(name: str, folder: Path) -> NDArray[np.float32]:
    """Return llama.cpp's logits: recorded, or with JAN_ORT_LLAMA_CPP=1 from llama.cpp itself, of a file in folder."""
    name = RECIPES[name].as_of or name
    if os.environ.get("JAN_ORT_LLAMA_CPP"):
        from tests.fixtures.gguf_models.llama_cpp_logits import llama_cpp_logits

        return llama_cpp_logits(write(name, folder))
    return recorded_logits(name)


def prove(name: str, weights: Weights, folder: Path) -> Proof:
    """Write and convert a file of the small models, and measure it."""
    path, target = write(name, folder), folder / weights
    target.mkdir()
    convert_gguf(path, target, weights=weights)
    return proof_of(oracle_logits(name, folder), target)


def proof_of(expected: NDArray[np.float32], target: Path) -> Proof:
    """Measure a converted folder against the logits of its model."""
    whole = LlamaSession(target).step(TOKEN_IDS)[0]
    session = LlamaSession(target)
    chunks = [session.step(TOKEN_IDS[begin:end])[0] for begin, end in pairwise(_CHUNKS)]
    return Proof(
        kl=mean_kl(expected, whole),
        num_best=_num_best(expected, whole),
        chunked=np.array_equal(np.concatenate(chunks), whole),
        in_company=_same_in_company(target),
    )


def mean_kl(expected: NDArray[np.float32], ours: NDArray[np.float32]) -> float:
    log_p, log_q = _log_softmax(expected), _log_softmax(ours)
    return float((np.exp(log_p) * (log_p - log_q)).sum(axis=-1).mean())


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    normed: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normed


def _num_best(expected: NDArray[np.float32], ours: NDArray[np.float32]) -> int:
    chosen = np.take_along_axis(expected, ours.argmax(axis=-1)[:, np.newaxis], axis=-1)[:, 0]
    return int((expected.max(axis=-1) - chosen <= NEAR_TIE).sum())


def _same_in_company(folder: Path) -> bool:
    """Prefill and decode three sequences alone, and then together."""
    session = OnnxRuntimeBackend().open(folder, OpenOptions(num_slots=len(_PROMPTS)))
    try:
        alone = [_run(session, [slot]) for slot in range(len(_PROMPTS))]
        together = _run(session, list(range(len(_PROMPTS))))
    finally:
        session.close()
    return all(np.array_equal(each[0], row) for each, row in zip(alone, together, strict=True))


def _run(session: Session, slots: list[int]) -> list[NDArray[np.float32]]:
    """Return for each slot the logits of its prompt's last tokens and of three more."""
    for slot in slots:
        session.truncate(slot, 0)
    prompts = session.step([SlotTokens(slot, _PROMPTS[slot], 2) for slot in slots]).logits.copy()
    rows = [list(prompts[2 * index : 2 * index + 2]) for index in range(len(slots))]
    for token_id in TOKEN_IDS[-3:]:
        logits = session.step([SlotTokens(slot, np.array([token_id])) for slot in slots]).logits
        for row, values in zip(rows, logits, strict=True):
            row.append(values.copy())
    return [np.stack(row) for row in rows]
