"""What runs in a provider's own environment: models opened on it and on the CPU, one line of JSON for each.

``python -m benchmarks.provider_trial PROVIDER NUM_TOKENS FOLDER …``. A model that generates is given the greedy tokens
that the CPU's logits choose, so that both have the same past at every position. The CPU beside it rounds no activation
to 8 bits, as it does where it serves: that costs more than what is looked for.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from jan_ort_backends import OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend

CONTEXT_LENGTH = 32
PROMPT = 4
FLOAT32 = 1
"""The ``accuracy_level`` of MatMulNBits that computes in float32."""


def main() -> None:
    """Try each folder; what fails is a line that says why."""
    provider, num_tokens, *folders = sys.argv[1:]
    for folder in folders:
        try:
            line = compare(Path(folder), provider, int(num_tokens))
        except Exception as error:  # whatever a provider does, the next model is tried
            line = {"error": " ".join(str(error).split()) or type(error).__name__}
        print(json.dumps(line), flush=True)


def compare(folder: Path, provider: str, num_tokens: int) -> dict[str, Any]:
    """Return nodes by provider, the largest difference to the CPU, equal tokens, seconds to open and of a token."""
    started = time.perf_counter()
    session = opened(folder, provider)
    open_s = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as temporary:
        beside = opened(in_float32(folder, Path(temporary)), "cpu")
    if session.info.vocab_size:
        difference, equal, token_s = generate(session, beside, num_tokens)
    else:
        difference, equal, token_s = embed(session, beside)
    device = session.info.device
    own = device.nodes.get(device.used, 0)
    line = {"own": own, "nodes": sum(device.nodes.values()), "difference": difference, "equal": equal}
    session.close()
    beside.close()
    return line | {"num_tokens": num_tokens if session.info.vocab_size else 0, "open_s": open_s, "token_s": token_s}


def in_float32(folder: Path, empty: Path) -> Path:
    """Return a copy of a model whose products leave activations as they are, or the model if its own do."""
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    levels = [each for node in model.graph.node for each in node.attribute if each.name == "accuracy_level"]
    if not levels:
        return folder
    for level in levels:
        level.i = FLOAT32
    copy = shutil.copytree(folder, empty / "model")
    onnx.save(model, copy / "model.onnx")
    return Path(copy)


def opened(folder: Path, provider: str) -> Session:
    """Open a model with two slots, so that the proof also runs two sequences at once."""
    options = OpenOptions(num_slots=2, context_length=CONTEXT_LENGTH, extra={"provider": provider})
    return OnnxRuntimeBackend().open(folder, options)


def generate(session: Session, beside: Session, num_tokens: int) -> tuple[float, int, float]:
    """Return the largest difference of any position's logits, relative to their spread, equal tokens, seconds."""
    chunk: NDArray[np.int64] = np.arange(1, PROMPT + 1) * session.info.vocab_size // (PROMPT + 2)
    differences, equal, times = [], 0, []
    for _ in range(num_tokens):
        wanted = beside.step([SlotTokens(0, chunk, 1)]).logits[0].astype(np.float64)
        started = time.perf_counter()
        found = session.step([SlotTokens(0, chunk, 1)]).logits[0].astype(np.float64)
        times.append(time.perf_counter() - started)
        differences.append(float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted - wanted.mean())))
        equal += int(found.argmax() == wanted.argmax())
        chunk = np.array([wanted.argmax()])
    return max(differences), equal, float(np.median(times[1:]))


def embed(session: Session, beside: Session) -> tuple[float, int, float]:
    """Return the length of the difference of two vectors of length 1, and seconds."""
    token_ids = [np.array([101, 7592, 2088, 102]) % 1000]
    wanted = beside.embed(token_ids)
    started = time.perf_counter()
    found = session.embed(token_ids)
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted)), 0, time.perf_counter() - started


if __name__ == "__main__":
    main()
