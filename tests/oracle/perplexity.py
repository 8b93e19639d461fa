"""Print the perplexity of a GGUF file's model, converted with each scheme, beside llama.cpp's of the same file.

Run: python -m tests.oracle.perplexity FILE.gguf [--weights int8] [--windows 8]

The text is English that comes with Python (pydoc_data), in windows of 512 tokens, with BOS where the model wants it;
what counts is the second half of each. llama.cpp has a float32 KV cache. Needs llama-cpp-python (tox -e oracle).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc_data.topics import topics

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from jan_ort.convert import convert_gguf
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.convert.weights.schemes import SCHEMES
from tests.convert.tiny_llama import LlamaSession

WINDOW = 512
BEGIN = WINDOW // 2 - 1

Logits = Callable[[list[int]], NDArray[np.float32]]


def windows_of(path: Path, count: int) -> Iterator[list[int]]:
    """Yield so many windows of token ids."""
    tokenizer = GgufTokenizer(GgufFile(path))
    special, built = tokenizer.vocabulary.special, tokenizer.build()
    begin = [special.bos] if special.add_bos and special.bos is not None else []
    token_ids = built.encode("\n\n".join(topics[each] for each in sorted(topics)), add_special_tokens=False).ids
    size = WINDOW - len(begin)
    yield from ([*begin, *token_ids[first : first + size]] for first in range(0, count * size, size))


def perplexity(logits: Logits, windows: list[list[int]]) -> float:
    """Return the perplexity of the second halves. ``logits``: of what is behind all tokens but those of the first."""
    losses = []
    for token_ids in windows:
        found = logits(token_ids)[:-1].astype(np.float64)
        said = np.take_along_axis(found, np.array(token_ids[BEGIN + 1 :])[:, np.newaxis], axis=-1)[:, 0]
        largest = found.max(axis=-1, keepdims=True)
        losses.append(np.log(np.exp(found - largest).sum(axis=-1)) + largest[:, 0] - said)
    return float(np.exp(np.mean(losses)))


def of_llama_cpp(path: Path) -> Logits:
    """Return what llama.cpp computes of the file."""
    model = llama_cpp.Llama(
        str(path), n_ctx=WINDOW, n_batch=WINDOW, n_ubatch=WINDOW, logits_all=True, type_k=0, type_v=0, verbose=False
    )

    def logits(token_ids: list[int]) -> NDArray[np.float32]:
        model.reset()
        model.eval(token_ids)
        found: NDArray[np.float32] = model.scores[BEGIN : len(token_ids)]
        return found

    return logits


def of_ours(path: Path, weights: str, folder: Path) -> Logits:
    """Return what the converted graph computes, of a prompt at once."""
    scheme = next(each for each in SCHEMES if each == weights)
    target = folder / scheme
    target.mkdir()
    convert_gguf(path, target, weights=scheme)
    return lambda token_ids: LlamaSession(target).step(token_ids, list(range(BEGIN, len(token_ids))))[0]


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--weights", nargs="+", default=["fp16", "int8", "int4"])
    parser.add_argument("--windows", type=int, default=8)
    given = parser.parse_args()
    windows = list(windows_of(given.path, given.windows))
    theirs = perplexity(of_llama_cpp(given.path), windows)
    print(f"| llama.cpp | {theirs:.3f} | |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for weights in given.weights:
            ours = perplexity(of_ours(given.path, weights, Path(folder)), windows)
            print(f"| {weights} | {ours:.3f} | {ours / theirs - 1:+.2%} |", flush=True)


if __name__ == "__main__":
    main()
