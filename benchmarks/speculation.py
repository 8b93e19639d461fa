"""``--speculate ngram``, or a draft model, beside ``off``, in turns: tokens a second and CPU time, medians of ratios.

Two servers of this code on the same weights, of which one is idle while the other is measured; the order changes with
each round. Prompts are new each time, so that no earlier answer holds the next one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
from servers import Server, ours
from workloads import WORDS, text

from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL

NAMES = "Anna Boris Clara David Elena Farid Greta Hugo Ines Jonas Karin Lars Maria Nils Olga Peter Rosa Stefan".split()
CITIES = "Berlin Lisbon Oslo Madrid Prague Vienna Dublin Athens Warsaw Zurich".split()

Body = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of request; ``at_least`` is the ratio that it is to reach with drafts."""

    name: str
    at_least: float
    body: Callable[[random.Random], Body]
    num_at_once: int = 1


@dataclass(frozen=True)
class Figures:
    """Of one request, or of several at once: tokens a second after the first, and CPU seconds a token."""

    tokens_per_s: float
    cpu_s: float


def chat(question: str, num_tokens: int = 200, **fields: Any) -> Body:
    return {"messages": [{"role": "user", "content": question}], "max_tokens": num_tokens, **fields}


def article(rng: random.Random, num_sentences: int = 9) -> str:
    def word() -> str:
        return rng.choice(WORDS)

    forms = (
        lambda: f"In {rng.choice(CITIES)} {rng.choice(NAMES)} found a {word()} behind the old {word()}.",
        lambda: f"{rng.choice(NAMES)} said that the {word()} of the {word()} would cost {rng.randint(12, 980)} euros.",
        lambda: f"The {word()} was sold to {rng.choice(NAMES)} from {rng.choice(CITIES)} in {rng.randint(1950, 2020)}.",
    )
    return " ".join(rng.choice(forms)() for _ in range(num_sentences))


def copied(prompt: str) -> Body:
    """A text whose answer is to repeat it, which the penalty of the document's defaults is against."""
    return {"prompt": prompt, "max_tokens": 200, "temperature": 0, "repeat_penalty": 1.0}


def quotes(rng: random.Random) -> Body:
    sentences = article(rng).split(". ")
    return copied(f"Notes:\n{'. '.join(sentences)}\n\nThe notes, word for word:\n{'. '.join(sentences[:2])}.")


def code(rng: random.Random) -> str:
    lines = [f"class {rng.choice(WORDS).title()}:"]
    for name in rng.sample(WORDS, 5):
        first, second = rng.sample(WORDS, 2)
        lines += [f"    def {name}(self, {first}, {second}):", f"        total = {first} * {rng.randint(2, 99)}"]
        lines += [f"        self.{second} = total + {second}", "        return total", ""]
    return "\n".join(lines)


def edit(rng: random.Random) -> Body:
    question = f"```python\n{code(rng)}```\n\nRename total to result in this code. Answer with all of the code."
    return chat(question, temperature=0, repeat_penalty=1.0)


def table(rng: random.Random) -> Body:
    rows = [(name, rng.choice(CITIES), rng.randint(18, 80)) for name in rng.sample(NAMES, 12)]
    lines = "\n".join(f"| {name} | {city} | {age} |" for name, city, age in rows)
    first = ",\n".join(json.dumps({"name": name, "city": city, "age": age}) for name, city, age in rows[:2])
    return copied(f"| name | city | age |\n|---|---|---|\n{lines}\n\nThe table as JSON:\n[{first},\n")


def story(rng: random.Random) -> Body:
    words = ", ".join(rng.sample(WORDS, 3))
    return chat(f"Tell a story about {words}.", min_tokens=200, seed=rng.randrange(2**31))


def words(rng: random.Random) -> Body:
    """Of random weights, too, an answer that repeats nothing."""
    return chat(
        text(rng, 60), min_tokens=200, temperature=2.0, top_k=0, top_p=1.0, min_p=0.0, seed=rng.randrange(2**31)
    )


def loop(rng: random.Random) -> Body:
    """Of random weights, too, an answer that comes to repeat itself."""
    return chat(text(rng, 60), min_tokens=200, temperature=0, repeat_penalty=1.0)


KINDS = (
    Kind("text quoted in full", 1.6, quotes),
    Kind("code edited", 1.6, edit),
    Kind("JSON from a table", 1.6, table),
    Kind("greedy, which comes to repeat itself", 1.6, loop),
    Kind("stories, the document's defaults", 0.98, story),
    Kind("words by chance", 0.98, words),
    Kind("two texts quoted at once", 0.98, quotes, 2),
    Kind("eight stories at once", 0.98, story, 8),
)


def cpu_s(server: Server) -> float:
    """Return the processor seconds that a server has taken, with its children."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


async def stream(client: httpx.AsyncClient, body: Body) -> tuple[float, float, int]:
    """Ask, and return when the first and the last token came and how many there were."""
    first = last = 0.0
    num_tokens = 0
    asked = body | {"stream": True, "stream_options": {"include_usage": True}}
    path = "/v1/completions" if "prompt" in body else "/v1/chat/completions"
    async with client.stream("POST", path, json=asked) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            num_tokens = (chunk.get("usage") or {}).get("completion_tokens", num_tokens)
            choice = chunk["choices"][0] if chunk["choices"] else {}
            if choice.get("text") or choice.get("delta", {}).get("content"):
                last = time.perf_counter()
                first = first or last
    return first, last, num_tokens


async def measure(server: Server, bodies: list[Body]) -> Figures:
    async with httpx.AsyncClient(base_url=server.url, timeout=600) as client:
        before = cpu_s(server)
        streams = await asyncio.gather(*(stream(client, body) for body in bodies))
        taken = cpu_s(server) - before
    num_tokens = sum(num for _, _, num in streams)
    seconds = max(last for _, last, _ in streams) - min(first for first, _, _ in streams)
    return Figures((num_tokens - len(streams)) / seconds, taken / num_tokens)


@dataclass
class Result:
    """Each round's figures without drafts and with them, and how many tokens were drafted and accepted."""

    rounds: list[tuple[Figures, Figures]] = field(default_factory=list)
    num_drafted: float = 0
    num_accepted: float = 0

    def median(self, of: Callable[[Figures, Figures], float]) -> float:
        return statistics.median(of(*each) for each in self.rounds)

    def line(self, kind: Kind) -> str:
        """Return a row of the table."""
        off, on = self.median(lambda off, on: off.tokens_per_s), self.median(lambda off, on: on.tokens_per_s)
        ratio = self.median(lambda off, on: on.tokens_per_s / off.tokens_per_s)
        cpu = self.median(lambda off, on: on.cpu_s / off.cpu_s)
        share = f"{self.num_accepted / self.num_drafted:.0%} of {self.num_drafted:.0f}" if self.num_drafted else "none"
        return f"| {kind.name} | {off:.0f} | {on:.0f} | **{ratio:.2f}** ({kind.at_least}) | {cpu:.2f} | {share} |"


def compare(servers: dict[str, Server], kind: Kind, rng: random.Random, rounds: int, result: Result) -> None:
    """Measure each round on both servers, the order of which changes; the first round warms up."""
    before = counts(servers["drafts"])
    for number in range(rounds + 1):
        bodies = [kind.body(rng) for _ in range(kind.num_at_once)]
        names = ("off", "drafts") if number % 2 else ("drafts", "off")
        figures = {name: asyncio.run(measure(servers[name], bodies)) for name in names}
        if number:
            result.rounds.append((figures["off"], figures["drafts"]))
    drafted, accepted = counts(servers["drafts"])
    result.num_drafted += drafted - before[0]
    result.num_accepted += accepted - before[1]


def counts(server: Server) -> tuple[float, float]:
    """Return how many tokens were drafted and accepted so far."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    found = {line.split("{")[0]: float(line.split()[-1]) for line in lines if "spec_decode" in line and "{" in line}
    return found["vllm:spec_decode_num_draft_tokens_total"], found["vllm:spec_decode_num_accepted_tokens_total"]


def run(servers: dict[str, Server], results: dict[Kind, Result], rng: random.Random, rounds: int) -> None:
    """Start the servers in this order and measure all kinds: the one started first is slower by some percent."""
    try:
        for server in servers.values():
            server.start()
        for kind, result in results.items():
            compare(servers, kind, rng, rounds, result)
            print(f"{len(result.rounds)} rounds {result.line(kind)}", flush=True)
    finally:
        for server in servers.values():
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    parser.add_argument("--flag", action="append", default=[], help="further flag of both servers, as --weights=int4")
    parser.add_argument("--draft-model", help="drafts of this model; otherwise --speculate ngram")
    parser.add_argument("--rounds", type=int, default=3, help="on each of two starts, in either order")
    parser.add_argument("--only", default="", help="kinds whose names hold this")
    options = parser.parse_args()
    drafts = f"--draft-model={options.draft_model}" if options.draft_model else "--speculate=ngram"
    flags = {"off": "--speculate=off", "drafts": drafts}
    servers = {name: ours(options.model, *options.flag, flag) for name, flag in flags.items()}
    for name, server in servers.items():
        server.name = f"speculate-{name}"
    results = {kind: Result() for kind in KINDS if options.only in kind.name}
    rng = random.Random(0)
    for names in (("off", "drafts"), ("drafts", "off")):
        run({name: servers[name] for name in names}, results, rng, options.rounds)
    print("| | off, tok/s | drafts, tok/s | ratio (target) | CPU time | accepted |\n|---|---|---|---|---|---|")
    for kind, result in results.items():
        print(result.line(kind))


if __name__ == "__main__":
    main()
