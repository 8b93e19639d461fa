"""Print how far each scheme, and each file that llama.cpp has made of the same source, is from a file's own weights.

Run: python -m tests.oracle.divergence SOURCE.gguf [--weights int8 int4] [--files OTHER.gguf] [--windows 2]

The source is computed in float32, dequantised. A line has the bits of a weight that a token reads
(benchmarks/weight_bits.py), the mean KL divergence, how often the best token is the same, and the perplexity. The
text is that of tests/oracle/perplexity.py, and the second half of each window counts. Needs
llama-cpp-python (tox -e oracle).
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.weight_bits import of_file, of_folder
from jan_ort.convert.architectures import decoders
from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig, read_decoder_config
from jan_ort.convert.graph.calibration import Calibration
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.weights.schemes import SCHEMES
from tests.oracle.perplexity import BEGIN, WINDOW, Logits, of_llama_cpp, of_ours, windows_of


def log_probs(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logarithms of softmax."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found


def of_source(path: Path) -> Logits:
    """Return what the dequantised weights give in float32."""
    model = GgufFile(path)
    decoder = decoders()[model.string("general.architecture")]
    config = read_decoder_config(model, decoder)

    def logits(token_ids: list[int]) -> NDArray[np.float32]:
        calibration = Calibration(model, decoder, config, token_ids)
        for _ in calibration.layers():
            pass
        return _head(model, decoder, config, calibration.output()[BEGIN:])

    return logits


def _head(model: GgufFile, decoder: Decoder, config: DecoderConfig, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
    names = decoder.tensors
    name = names.head if model.has_tensor(f"{names.head}.weight") else names.embedding
    table = model.tensor(f"{name}.weight", (config.vocab_size, config.hidden_size)).dequantize()
    found: NDArray[np.float32] = hidden @ table.T
    cap = np.float32(config.scales.logits_cap or 0)
    return np.tanh(found / cap) * cap if cap else found


def compared(path: Path, weights: list[str], files: list[Path], windows: list[list[int]]) -> Iterator[str]:
    """Yield a row of the table for each scheme and file."""
    source = of_source(path)
    exact = [log_probs(source(window)) for window in windows]
    for file in files:
        yield _row(f"llama.cpp, {file.name}", of_file(file).per_value, of_llama_cpp(file), exact, windows)
    with tempfile.TemporaryDirectory() as folder:
        for scheme in weights:
            ours = of_ours(path, scheme, Path(folder))
            yield _row(scheme, of_folder(Path(folder) / scheme).per_value, ours, exact, windows)


def _row(name: str, bits: float, logits: Logits, exact: list[NDArray[np.float64]], windows: list[list[int]]) -> str:
    divergences, same, losses = [], [], []
    for window, log_p in zip(windows, exact, strict=True):
        log_q = log_probs(logits(window))
        divergences.append((np.exp(log_p) * (log_p - log_q)).sum(axis=-1))
        same.append(log_p.argmax(axis=-1) == log_q.argmax(axis=-1))
        losses.append(-log_q[np.arange(len(log_q) - 1), window[BEGIN + 1 :]])
    figures = (np.mean(np.concatenate(each)) for each in (divergences, same, losses))
    kl, share, loss = figures
    return f"| {name} | {bits:.2f} | {kl:.4f} | {share:.3f} | {math.exp(loss):.3f} |"


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--weights", nargs="*", default=[name for name in SCHEMES if "fp16" not in name])
    parser.add_argument("--files", nargs="*", type=Path, default=[])
    parser.add_argument("--windows", type=int, default=2)
    given = parser.parse_args()
    windows = list(windows_of(given.path, given.windows))
    print(f"| {given.path.name}, {WINDOW} tokens × {given.windows} | bits a weight | KL | same best | perplexity |")
    print("|---|---|---|---|---|", flush=True)
    for row in compared(given.path, given.weights, given.files, windows):
        print(row, flush=True)


if __name__ == "__main__":
    main()
