"""What a sentence costs to embed: our CPU time over HTTP beside fastembed's own loop and infinity's server, in turns.

Run as ``python -m benchmarks.embeddings FOLDER --fastembed PYTHON --infinity PYTHON``: FOLDER is what ``optimum-cli
export onnx --task feature-extraction`` makes of all-MiniLM-L6-v2, and each PYTHON an environment that has the rival,
``fastembed`` or ``infinity-emb[server,optimum]``. All have their usual settings. Beside other work only CPU time says
something.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parent))

from servers import Server

WORDS = (
    "the a garden bird river sings under over light and quickly old stone house walks with morning rain of to".split()
)


class Load(NamedTuple):
    """Sentences of a request, the words of the shortest and the longest, and how many ask at once."""

    number: int
    least: int
    most: int
    clients: int = 1


LOADS = {
    "1 short": Load(1, 8, 8),
    "1 long": Load(1, 120, 120),
    "32 mixed": Load(32, 3, 60),
    "32 long": Load(32, 120, 120),
    "256 mixed": Load(256, 3, 60),
    "16 clients": Load(1, 3, 60, clients=16),
}
LEAST_SENTENCES = 64
"""Of a sample: the kernel counts a process's time in ticks of 10 ms."""

LOOP = """
import json, sys, time
from fastembed import TextEmbedding
model = TextEmbedding("sentence-transformers/all-MiniLM-L6-v2", specific_model_path=sys.argv[1])
for line in sys.stdin:
    requests = json.loads(line)
    started = time.process_time()
    for texts in requests:
        list(model.embed(texts))
    print(time.process_time() - started, flush=True)
"""

Measure = Callable[[list[list[str]], int], float]
"""Embeds the texts of each request, which as many clients send, and returns the CPU time in seconds."""


def requests_of(load: str, seed: int) -> list[list[str]]:
    """Return the texts of as many requests as a sample has."""
    number, least, most, _ = LOADS[load]
    draw = random.Random(seed)

    def sentence() -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(least, most)))

    return [[sentence() for _ in range(number)] for _ in range(max(1, LEAST_SENTENCES // number))]


def fastembed(python: str, folder: Path, stack: ExitStack) -> Measure:
    """Start fastembed in a process of its own, a loop that knows no clients."""
    command = [python, "-c", LOOP, str(folder)]
    process = stack.enter_context(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    )
    stack.callback(process.terminate)
    asked, told = process.stdin, process.stdout
    assert asked is not None
    assert told is not None

    def measure(requests: list[list[str]], _: int) -> float:
        asked.write(json.dumps(requests) + "\n")
        asked.flush()
        return float(told.readline())

    return measure


def served(server: Server, path: str, stack: ExitStack) -> Measure:
    """Start a server that speaks OpenAI's API."""
    stack.callback(server.stop)
    server.start(timeout_s=300)  # torch takes its time
    client = stack.enter_context(httpx.Client(base_url=server.url, timeout=120))
    assert server.process is not None
    process = psutil.Process(server.process.pid)

    def cpu_s() -> float:
        every = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        return sum(each.user + each.system for each in every)

    def ask(texts: list[str]) -> None:
        answer = client.post(path, json={"model": "all-minilm-l6-v2", "input": texts})
        answer.raise_for_status()
        assert len(answer.json()["data"]) == len(texts)

    def measure(requests: list[list[str]], clients: int) -> float:
        before = cpu_s()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(ask, requests))
        return cpu_s() - before

    return measure


def ours(stack: ExitStack) -> Measure:
    command = [sys.executable, "-m", "jan_ort", "serve", "--port", "{port}", "--embedding-model", "all-minilm-l6-v2"]
    return served(Server("jan-ort", command, "/health"), "/v1/embeddings", stack)


def infinity(python: str, engine: str, folder: Path, stack: ExitStack) -> Measure:
    command = [python, "-c", "from infinity_emb.cli import cli; cli()", "v2", "--model-id", str(folder)]
    command += ["--engine", engine, "--device", "cpu", "--served-model-name", "all-minilm-l6-v2"]
    command += ["--port", "{port}", "--host", "127.0.0.1"]
    return served(Server(f"infinity-{engine}", command, "/health"), "/embeddings", stack)


def main(folder: Path, rivals: dict[str, Callable[[ExitStack], Measure]], rounds: int) -> None:
    """Print each one's median CPU time a sentence, and ours in proportion."""
    with ExitStack() as stack:
        measures = {"jan-ort": ours(stack)} | {name: start(stack) for name, start in rivals.items()}
        for load, shape in LOADS.items():
            found: dict[str, list[float]] = {name: [] for name in measures}
            for at in range(rounds + 1):
                requests = requests_of(load, at)
                for name, measure in measures.items():
                    taken = measure(requests, shape.clients) / sum(map(len, requests))
                    found[name] += [taken] if at else []  # the first one warms up
            medians = {name: statistics.median(samples) for name, samples in found.items()}
            told = (
                f"{name} {taken * 1e3:.2f} ms ({medians['jan-ort'] / taken:.2f})" for name, taken in medians.items()
            )
            print(f"{load:10} {', '.join(told)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fastembed", metavar="PYTHON")
    parser.add_argument("--infinity", metavar="PYTHON")
    parser.add_argument("--engine", action="append", help="infinity's, optimum by default; may be repeated")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    starts: dict[str, Callable[[ExitStack], Measure]] = {}
    if given.fastembed:
        starts["fastembed"] = lambda stack: fastembed(given.fastembed, given.folder, stack)
    for engine in (given.engine or ["optimum"]) if given.infinity else []:
        starts[f"infinity-{engine}"] = lambda stack, engine=engine: infinity(  # type: ignore[misc]
            given.infinity, engine, given.folder, stack
        )
    main(given.folder, starts, given.rounds)
