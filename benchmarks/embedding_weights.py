"""What 8-bit weights do to an embedding model: CPU time, cosines and a ranking beside those of float32.

Run as ``python -m benchmarks.embedding_weights SOURCE``, whatever ``--embedding-model`` takes. The texts are docstrings
of Python's standard library: the first sentence of each is to find the rest. Sessions take turns.
"""

from __future__ import annotations

import argparse
import ast
import statistics
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from jan_ort.ground.task import EMBED
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, Wanted
from jan_ort.settings.schema import default_cache_dir
from jan_ort_backends import OpenOptions, Session
from jan_ort_onnxruntime import OnnxRuntimeBackend

WEIGHTS = ("float32", "int8")
RUNS = ((1, 10), (14, 36), (4, 128))
"""Texts of a run, and the tokens of each."""

Rows = list[NDArray[np.int64]]


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield a function's first sentence and the rest of its docstring."""
    library = Path(sysconfig.get_paths()["stdlib"])
    paths = [*sorted(library.glob("*.py")), *sorted(library.glob("[a-h]*/*.py"))]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                head, _, rest = (" ".join(part.split()) for part in text.partition("\n\n"))
                if 20 < len(head) < 200 and len(rest) > 80:
                    yield head, rest[:800]


def cpu_s(session: Session, rows: Rows) -> float:
    started = time.process_time()
    session.embed(rows)
    return time.process_time() - started


def speed(sessions: dict[str, Session], rounds: int) -> None:
    """Print each one's median CPU time of each kind of run, and its ratio to the first."""
    for number, length in RUNS:
        rows = [np.random.default_rng(at).integers(1000, 9000, length) for at in range(number)]
        times: dict[str, list[float]] = {name: [] for name in sessions}
        for _ in range(rounds + 1):
            for name, session in sessions.items():
                times[name].append(cpu_s(session, rows))
        medians = {name: statistics.median(samples[1:]) * 1e3 for name, samples in times.items()}
        told = (f"{name} {median:.2f} ms ({median / medians[WEIGHTS[0]]:.2f})" for name, median in medians.items())
        print(f"{number} x {length} tokens: {', '.join(told)}", flush=True)


def quality(sessions: dict[str, Session], queries: Rows, documents: Rows) -> None:
    """Print how near each one's vectors are to the first one's, and how high what is looked for ranks."""
    exact: NDArray[np.float32] | None = None
    for name, session in sessions.items():
        vectors = np.concatenate([session.embed(queries), session.embed(documents)])
        scores = vectors[: len(queries)] @ vectors[len(queries) :].T
        rank = (scores > scores.diagonal()[:, np.newaxis]).sum(axis=1)
        ndcg = np.where(rank < 10, 1 / np.log2(rank + 2), 0).mean()
        exact = vectors if exact is None else exact
        best, own = (np.argsort(-each)[:, :10] for each in (exact[: len(queries)] @ exact[len(queries) :].T, scores))
        common = np.mean([len(np.intersect1d(*pair)) for pair in zip(best, own, strict=True)]) / 10
        cosines = (vectors * exact).sum(axis=1)
        print(
            f"{name}: nDCG@10 {ndcg:.4f}, cosine {cosines.mean():.5f}, least {cosines.min():.5f}, "
            f"of the ten best {common:.1%} in common",
            flush=True,
        )


def read(folder: Path, texts: Sequence[str], length: int) -> Rows:
    """Return the first tokens of each text."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return [np.array(each.ids[:length], np.int64) for each in tokenizer.encode_batch(texts)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--texts", type=int, default=600)
    parser.add_argument("--cache-dir", type=Path, default=default_cache_dir())
    given = parser.parse_args()
    source = find_source(given.source, Known(cache_dir=given.cache_dir), task=EMBED)
    folders = {each: source.make(Wanted(EMBED, embedding_weights=each), given.cache_dir) for each in WEIGHTS}
    sessions = {name: OnnxRuntimeBackend().open(folder, OpenOptions()) for name, folder in folders.items()}
    pairs = list(dict(docstrings()).items())[: given.texts]
    length = sessions[WEIGHTS[0]].info.context_length
    queries, documents = (read(folders[WEIGHTS[0]], texts, length) for texts in zip(*pairs, strict=True))
    quality(sessions, queries, documents)
    speed(sessions, given.rounds)


if __name__ == "__main__":
    main()
