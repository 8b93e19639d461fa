"""An export that concatenates its cache, rewritten to one shared cache, beside the same graph as it is, in turns.

    python benchmarks/shared_caches.py FOLDER [--rounds 9]

FOLDER is an export that is rewritten (``optimum-cli export onnx``, docs/models.md). ``--random FOLDER`` writes one
first: a random llama of SmolLM2's width with 8 layers; that needs what scripts/record_layouts.py names at its top.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np

from jan_ort_backends import OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend, opening
from jan_ort_onnxruntime.sessions.decoding_session import DecodingSession

NUM_PROMPT, NUM_STEPS, BATCHES = 64, 12, (1, 2, 4, 8)
SIZES = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 8, "vocab_size": 8192}
HEADS = {"num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 1024}


def main() -> None:
    """Print the tokens a second of each, and the median of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--random", action="store_true", help="write the folder first")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    if given.random:
        write_random(given.folder)
    options = OpenOptions(num_slots=max(BATCHES))
    with mock.patch.object(opening, "_open_sharing", return_value=None):
        alone = OnnxRuntimeBackend().open(given.folder, options)
    shared = OnnxRuntimeBackend().open(given.folder, options)
    if isinstance(shared, DecodingSession) or not isinstance(alone, DecodingSession):
        parser.error(f"{given.folder} is not rewritten: run with -v to see why (jan-ort -v serve --model FOLDER)")
    for batch_size in BATCHES:
        pairs = [(tokens_a_second(shared, batch_size), tokens_a_second(alone, batch_size)) for _ in range(given.rounds)]
        ours, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        print(f"{batch_size} together: {ours:6.0f} beside {theirs:6.0f} tokens/s, {ratio:.2f} x", flush=True)


def tokens_a_second(session: Session, batch_size: int) -> float:
    """Return what all sequences together decode a second after their prompts."""
    for slot in range(batch_size):
        session.truncate(slot, 0)
        session.step([SlotTokens(slot, np.arange(1, NUM_PROMPT + 1) + slot)])
    begin = time.perf_counter()
    for step in range(NUM_STEPS):
        session.step([SlotTokens(slot, np.array([100 + step + slot])) for slot in range(batch_size)])
    return NUM_STEPS * batch_size / (time.perf_counter() - begin)


def write_random(folder: Path) -> None:
    """Write an export of a random llama by optimum."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
    import record_layouts
    import torch
    import transformers

    torch.manual_seed(0)
    source = folder.with_name(f"{folder.name}-torch")
    config = transformers.LlamaConfig(**record_layouts.DECODER | SIZES | HEADS | {"head_dim": 64})
    transformers.AutoModelForCausalLM.from_config(config).float().save_pretrained(source)
    record_layouts.write_tokenizer(source)
    record_layouts.export(source, folder, "text-generation-with-past")


if __name__ == "__main__":
    main()
