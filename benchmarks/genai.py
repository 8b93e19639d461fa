"""The bare session loop beside onnxruntime-genai: the same weights, prompts and threads, in turns; medians, ratios."""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from bare_loop import served_step_s
from duel import fetch_gguf, row
from numpy.typing import NDArray
from servers import CONTEXT_LENGTH, NUM_THREADS, ROOT, Server, ours

from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL
from jan_ort.plugins.choice import choose_backend
from jan_ort.settings.schema import Settings
from jan_ort_backends import OpenOptions, Session, SlotTokens, discover

CACHE = ROOT / ".cache"
REFERENCE = ROOT / "tests" / "fixtures" / "smollm2" / "reference_logits.npz"
# torch and transformers read the weights for its model builder, onnx and onnx-ir write the graph.
REQUIREMENTS = [
    "onnxruntime-genai==0.18.0",
    "torch==2.13.0",
    "transformers>=5,<6",
    "onnx",
    "onnx-ir",
    "gguf",
    "safetensors",
]
PROMPT_LENGTH = 30
NUM_TOKENS = 128
TARGETS = {1: ("decode, one stream", 1.3), 8: ("decode, batch of 8, total", 1.2)}
GREEDY: dict[str, object] = {"temperature": 0, "repeat_penalty": 1.0}
PAUSE_S = 0.3  # the rival's idle threads spin for a while and would take a core from whoever comes next

_session: Session  # ours, in the process that open_session() was called in


def open_session(path: Path, spinning: str | None) -> None:
    global _session
    extra = {"intra_op_num_threads": str(NUM_THREADS)}
    if spinning is not None:
        extra["spin_duration_us"] = "1000" if spinning == "on" else "0"
    options = OpenOptions(context_length=CONTEXT_LENGTH, extra=extra)
    _session = choose_backend(None, path, discover()).open(path, options)


def decode_s(prompts: list[list[int]]) -> float:
    """Return the seconds of ``NUM_TOKENS`` greedy decode steps of all prompts."""
    tokens = []
    for slot, prompt in enumerate(prompts):
        _session.truncate(slot, 0)
        output = _session.step([SlotTokens(slot, np.array(prompt))])
        assert output.top_token_ids is not None
        tokens.append(int(output.top_token_ids[0, 0]))
    started = time.perf_counter()
    for _ in range(NUM_TOKENS):
        output = _session.step([SlotTokens(slot, np.array([token])) for slot, token in enumerate(tokens)])
        assert output.top_token_ids is not None
        tokens = output.top_token_ids[:, 0].tolist()
    return time.perf_counter() - started


def all_logits(token_ids: list[int]) -> NDArray[np.float32]:
    _session.truncate(0, 0)
    return _session.step([SlotTokens(0, np.array(token_ids), num_logits=len(token_ids))]).logits.copy()


class Ours:
    """Our session in a process of its own, so that its memory can be told from this script's."""

    def __init__(self, model: Path, spinning: str | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer=open_session, initargs=(model, spinning))
        self.pid = self._pool.submit(os.getpid).result()

    def decode_s(self, prompts: list[list[int]]) -> float:
        return self._pool.submit(decode_s, prompts).result()

    def logits(self, token_ids: list[int]) -> NDArray[np.float32]:
        return self._pool.submit(all_logits, token_ids).result()

    def stop(self) -> None:
        self._pool.shutdown()


class Theirs:
    """onnxruntime-genai in its own interpreter; see genai_rival.py."""

    def __init__(self, folder: Path, spinning: str | None) -> None:
        command = [str(genai_python()), str(ROOT / "benchmarks" / "genai_rival.py"), "measure", str(folder)]
        command += [str(NUM_THREADS), *(["--spinning", spinning] if spinning else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self.versions = self._ask(ask="versions")

    def _ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit("onnxruntime-genai's process ended; its message is above")
        return dict(json.loads(answer))

    def decode_s(self, prompts: list[list[int]]) -> float:
        answer = self._ask(ask="decode", prompts=prompts, num_tokens=NUM_TOKENS)
        assert len(answer["token_ids"]) == NUM_TOKENS + 1
        return float(answer["seconds"])

    def logits(self, token_ids: list[int]) -> NDArray[np.float32]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "logits.npy"
            self._ask(ask="logits", token_ids=token_ids, path=str(path))
            return np.asarray(np.load(path), np.float32)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


def genai_python() -> Path:
    """Return the interpreter of onnxruntime-genai's environment, made at the first call."""
    given = os.environ.get("GENAI_PYTHON")
    if given:
        return Path(given)
    python = CACHE / "genai-venv" / "bin" / "python"
    made = python.parent.parent / "made"
    if not made.exists():
        print(f"making {made.parent}: torch alone is a large download", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(made.parent)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        made.touch()
    return python


def export(model: Path, block_size: int) -> Path:
    """Return the folder that onnxruntime-genai's own builder makes of the GGUF that ``model`` was converted from."""
    folder = CACHE / f"genai-int8-block{block_size}"
    if (folder / "made").exists():
        return folder
    gguf = fetch_gguf(CACHE / "gguf")
    log = CACHE / "genai-export.log"
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch, log.open("wb") as stream:
        script = str(ROOT / "benchmarks" / "genai_rival.py")
        builder = ["-m", "onnxruntime_genai.models.builder", "-p", "int8", "-e", "cpu", "-c", f"{scratch}/cache"]
        for arguments in (
            [script, "folder", str(gguf), str(model), f"{scratch}/hf"],
            [*builder, "-i", f"{scratch}/hf", "-o", str(folder), "--extra_options", f"block_size={block_size}"],
        ):
            if subprocess.run([str(genai_python()), *arguments], stdout=stream, stderr=stream).returncode:
                raise SystemExit(f"the export for onnxruntime-genai failed; see {log}")
    (folder / "made").touch()
    return folder


def mean_kl(logits: NDArray[np.float32]) -> float:
    """Return the mean KL(float32 model || logits) over the first positions of the reference text.

    The fixture keeps each position's likely tokens; the others are one bucket (scripts/record_smollm2_logits.py).
    """
    with np.load(REFERENCE) as arrays:
        ends = arrays["counts"].astype(np.int64).cumsum()
        kept_ids = np.cumsum(arrays["kept_token_id_steps"], dtype=np.uint16).astype(np.int64)
        kept_log_probs = arrays["kept_log_probs"].astype(np.float64)
    divergences = []
    for scores, start, end in zip(logits.astype(np.float64), [0, *ends], ends, strict=False):
        log_probs = scores - scores.max() - np.log(np.exp(scores - scores.max()).sum())
        log_p, log_q = kept_log_probs[start:end], log_probs[kept_ids[start:end]]
        rest_p, rest_q = (max(1 - np.exp(values).sum(), 1e-9) for values in (log_p, log_q))
        divergences.append((np.exp(log_p) * (log_p - log_q)).sum() + rest_p * np.log(rest_p / rest_q))
    return float(np.mean(divergences))


def compare_speed(mine: Ours, theirs: Theirs, server: Server, batch_size: int, rounds: int) -> None:
    """Print the tokens per second of the bare loop and of the server, each beside the rival's bare loop."""
    figures: dict[str, list[float]] = {"mine": [], "served": [], "theirs": []}
    for seed in range(rounds + 1):  # the first round warms all up and does not count
        prompts = np.random.default_rng(seed).integers(100, 5000, (batch_size, PROMPT_LENGTH)).tolist()
        for key in figures:
            time.sleep(PAUSE_S)
            if key == "served":
                step_s = asyncio.run(served_step_s(server.url, batch_size, seed, GREEDY))
            else:
                step_s = (mine if key == "mine" else theirs).decode_s(prompts) / NUM_TOKENS
            figures[key].append(batch_size / step_s)
    name, target = TARGETS[batch_size]
    rival = figures["theirs"][1:]
    for key, label, bound in (("mine", name, f"at least {target} x"), ("served", "  ours over HTTP", "")):
        values = figures[key][1:]
        row(label, "tok/s", values, rival, [a / b for a, b in zip(values, rival, strict=True)], bound)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--block-size", type=int, default=32, help="of the rival's int8 weights; 32 is its default")
    parser.add_argument("--spinning", choices=["on", "off"], help="of both bare loops; each one's default if not given")
    options = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    model = resolve_model(DEFAULT_CHAT_MODEL, task=GENERATE, cache_dir=Settings.read().cache_dir)
    theirs = Theirs(export(model, options.block_size), options.spinning)
    mine, server = Ours(model, options.spinning), ours(DEFAULT_CHAT_MODEL)
    try:
        server.start()
        print(f"{theirs.versions}, int8 in blocks of {options.block_size}, spinning: {options.spinning or 'defaults'}")
        print(f"{'medians':30} {'jan-ort':>9} {'genai':>9} {'unit':6} {'ratio':>8}")
        for batch_size in TARGETS:
            compare_speed(mine, theirs, server, batch_size, options.rounds)
        rss = [psutil.Process(each.pid).memory_info().rss / 1e6 for each in (mine, theirs)]
        row("RSS of the bare loops", "MB", rss[:1], rss[1:], [rss[0] / rss[1]], "")
        with np.load(REFERENCE) as arrays:
            token_ids = arrays["token_ids"][: json.loads(str(arrays["metadata"]))["window"]].tolist()
        kls = [1e3 * mean_kl(each.logits(token_ids)) for each in (mine, theirs)]
        row("KL to the float32 model x 1000", "nats", kls[:1], kls[1:], [kls[0] / kls[1]], "at most 1 x: equal quality")
    finally:
        for each in (mine, theirs, server):
            each.stop()


if __name__ == "__main__":
    main()
