"""More chats than slots, growing in turn: prompt tokens computed and CPU time of each turn, here and in a rival.

The chats' first turns fill the caches and are told apart. Of the rival only CPU time can be had.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from servers import Server, ours, rival
from workloads import text

from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL

Message = dict[str, str]


@dataclass
class Turn:
    """What one turn of every chat took: tokens of the prompts, those computed, CPU seconds and seconds of each chat."""

    num_prompt: list[int] = field(default_factory=list)
    num_computed: list[int] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    taken_s: list[float] = field(default_factory=list)


def cpu_s(server: Server) -> float:
    """Return the processor seconds that a server has taken, with its children."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


def take_turn(server: Server, client: httpx.Client, chats: Sequence[list[Message]], rng: random.Random) -> Turn:
    """Let every chat say something and be answered, one after the other."""
    turn = Turn()
    for messages in chats:
        messages.append({"role": "user", "content": text(rng, 12) if len(messages) > 1 else text(rng, 20)})
        before, started = cpu_s(server), time.perf_counter()
        body = {"messages": messages, "max_tokens": 16, "temperature": 0}
        response = client.post("/v1/chat/completions", json=body)
        response.raise_for_status()
        answer = response.json()
        turn.taken_s.append(time.perf_counter() - started)
        turn.cpu_s.append(cpu_s(server) - before)
        cached = answer["usage"].get("prompt_tokens_details") or {}
        turn.num_prompt.append(answer["usage"]["prompt_tokens"])
        turn.num_computed.append(answer["usage"]["prompt_tokens"] - cached.get("cached_tokens", 0))
        messages.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"]})
    return turn


def run(server: Server, num_chats: int, num_turns: int, num_words: int) -> float:
    """Print what each turn took, and return the median CPU seconds of a chat's later turn."""
    rng = random.Random(0)
    chats = [[{"role": "system", "content": text(rng, num_words)}] for _ in range(num_chats)]
    later: list[float] = []
    with httpx.Client(base_url=server.url, timeout=600) as client:
        for number in range(1, num_turns + 1):
            turn = take_turn(server, client, chats, rng)
            later += turn.cpu_s if number > 1 else []
            print(
                f"{server.name:18} turn {number}: prompts of {statistics.median(turn.num_prompt):5.0f} tokens, computed"
                f" {statistics.median(turn.num_computed):5.0f} (most {max(turn.num_computed)}), CPU"
                f" {statistics.median(turn.cpu_s):6.3f} s a chat, {statistics.median(turn.taken_s):6.3f} s,"
                f" RSS {server.rss_bytes() / 2**20:5.0f} MiB",
                flush=True,
            )
    return statistics.median(later)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chats", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--words", type=int, default=950, help="of each chat's system prompt; 950 are 1,000 tokens")
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    parser.add_argument("--prompt-cache-mb", type=int, help="a chat of 1,000 tokens of SmolLM2-135M takes 45 MiB")
    parser.add_argument("--prompt-cache-dir", type=Path)
    parser.add_argument("--rival", type=Path, metavar="GGUF", help="file for llama-cpp-python's server beside it")
    parser.add_argument("--rival-chats", type=int, default=8, help="it computes each prompt anew, so a few tell all")
    options = parser.parse_args()
    server = ours(options.model)
    for name in ("prompt_cache_mb", "prompt_cache_dir"):
        if getattr(options, name) is not None:
            server.command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    medians = []
    todo = [(server, options.chats)] + ([(rival(options.rival), options.rival_chats)] if options.rival else [])
    for each, num_chats in todo:
        each.start()
        try:
            medians.append(run(each, num_chats, options.turns, options.words))
        finally:
            each.stop()
    if len(medians) == 2:
        print(f"CPU time of a later turn, theirs to ours: {medians[1] / medians[0]:.1f}")


if __name__ == "__main__":
    main()
