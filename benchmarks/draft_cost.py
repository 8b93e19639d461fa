"""CPU time of a token with drafts beside one without, in one process on one session with one thread, in turns.

Unlike a wall clock, it holds on a machine that others use. Prompts are not counted. A kind is ``NAME`` or
``NAME:STREAMS``, of the names in ``speculation.py``.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from pathlib import Path

import speculation
from servers import CONTEXT_LENGTH

from jan_ort.engine.engine import Engine
from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.engine.speculation.draft_model import DraftModel
from jan_ort.engine.speculation.drafter import Drafter
from jan_ort.engine.speculation.ngram import NgramDrafter
from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.plugins.choice import choose_backend
from jan_ort.sampling.params import SamplingParams
from jan_ort.settings.schema import Settings
from jan_ort_backends import Backend, OpenOptions, Session, discover

FIELDS = ("temperature", "repeat_penalty", "top_k", "top_p", "min_p", "seed")


def request(bodies: list[speculation.Body], tokenizer: TextTokenizer, num_tokens: int) -> GenerationRequest:
    """Return these questions, each to be answered by so many tokens."""
    prompts = []
    for index, body in enumerate(bodies):
        asked = body.get("messages", [{}])[0].get("content")
        text = body.get("prompt") or f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"
        params = SamplingParams(num_tokens, num_tokens, **{name: body[name] for name in FIELDS if name in body})
        prompts.append(Prompt(tokenizer.encode(text), index, params))
    return GenerationRequest(str(time.perf_counter()), tuple(prompts), None)


def cpu_ms(engine: Engine, asked: GenerationRequest) -> float:
    """Return the CPU milliseconds of each token after the prompts, of this thread, in which all is computed."""
    engine.submit(asked)
    engine._commands.carry_out(wait=False)
    while engine.step() and not all(sequence.is_prefilled for sequence in engine._scheduler.running):
        pass
    before, started = engine.statistics.num_generated_tokens, time.thread_time()
    while engine.step():
        pass
    return 1e3 * (time.thread_time() - started) / (engine.statistics.num_generated_tokens - before)


def opened(model: str, weights: str) -> tuple[Backend, Session, Path]:
    """Return a model's backend, a session of one thread, and the folder."""
    folder = resolve_model(model, task=GENERATE, cache_dir=Settings.read().cache_dir, weights=weights)
    backend = choose_backend(None, folder, discover())
    extra = {"provider": "cpu", "intra_op_num_threads": "1"}
    return backend, backend.open(folder, OpenOptions(8, CONTEXT_LENGTH, extra)), folder


def taken(engine: Engine) -> str:
    """Return what was accepted of all drafts so far."""
    counts = engine.statistics
    return f"{sum(counts.num_accepted_at.values())} of {counts.num_draft_tokens}"


def measure(
    off: Engine, drafting: Engine, kind: str, options: argparse.Namespace, tokenizer: TextTokenizer, rng: random.Random
) -> list[tuple[float, float]]:
    """Return the CPU milliseconds of a token in each round, without drafts and with them."""
    name, _, num = kind.partition(":")
    pairs = []
    for number in range(options.rounds):
        bodies = [getattr(speculation, name)(rng) for _ in range(int(num or 1))]
        times = {}
        for engine in (off, drafting) if number % 2 else (drafting, off):
            engine._scheduler.slots.clear()  # the other one has written to them
            times[engine] = cpu_ms(engine, request(bodies, tokenizer, options.tokens))
        pairs.append((times[off], times[drafting]))
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    parser.add_argument("--weights", default="int8")
    parser.add_argument("--draft-model", help="drafts of this model; otherwise --speculate ngram")
    parser.add_argument("--draft-weights", default="int8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument(
        "--kinds", nargs="+", default=["quotes", "edit", "table", "quotes:2", "story", "words", "story:8"]
    )
    run(parser.parse_args())


def run(options: argparse.Namespace) -> None:
    """Measure each kind, and print its line of the table."""
    backend, session, folder = opened(options.model, options.weights)
    tokenizer, rng = TextTokenizer(folder / "tokenizer.json"), random.Random(0)
    drafter: Drafter = NgramDrafter()
    if options.draft_model:
        own = opened(options.draft_model, options.draft_weights)[1]
        model = DraftModel(own, vocab_size=tokenizer.vocab_size, eos_token_ids=[], mixed=False)
        model.measure()
        drafter = model
    off, drafting = (
        Engine(
            session,
            capabilities=backend.capabilities,
            tokens=tokenizer,
            eos_token_ids=[],
            deliver=lambda events: None,
            drafter=drafter,
        )
        for drafter in (None, drafter)
    )
    print("| | off, ms | drafts, ms | ratio | accepted |\n|---|---|---|---|---|")
    for kind in options.kinds:
        pairs = measure(off, drafting, kind, options, tokenizer, rng)
        plain, drafted = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"| {kind} | {plain:.1f} | {drafted:.1f} | **{ratio:.2f}** | {taken(drafting)} |", flush=True)
    drafter.close()
    session.close()


if __name__ == "__main__":
    main()
