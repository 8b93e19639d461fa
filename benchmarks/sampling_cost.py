"""What choosing a token and its log-probabilities cost, as a fraction of the decode step that they follow."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
from bare_loop import open_session

from jan_ort.engine.logprobs import token_logprobs
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL
from jan_ort.sampling.chain import Sampler
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState
from jan_ort_backends import Session, SlotTokens

NUM_PROMPT = 100
KINDS = {
    "document's defaults": SamplingParams(10_000, seed=1),
    "greedy": SamplingParams(10_000, temperature=0.0, repeat_penalty=1.0),
    "top_k 0": SamplingParams(10_000, seed=1, top_k=0),
}
LOGPROBS = "token_logprobs, 5"


T = TypeVar("T")


def timed(times: list[float], work: Callable[[], T]) -> T:
    started = time.perf_counter()
    result = work()
    times.append(1e3 * (time.perf_counter() - started))
    return result


def measure(session: Session, batch_size: int, num_steps: int) -> dict[str, list[float]]:
    """Return the milliseconds of the decode steps, and of each kind of work done right after one, on cold caches."""
    times: dict[str, list[float]] = {"step": [], **{kind: [] for kind in KINDS}, LOGPROBS: []}
    for kind, params in KINDS.items():
        prompts = np.random.default_rng(batch_size).integers(100, 5000, (batch_size, NUM_PROMPT))
        states = [SamplerState(params, prompt) for prompt in prompts]
        sampler = Sampler([2])
        for slot, prompt in enumerate(prompts):
            session.truncate(slot, 0)
            session.step([SlotTokens(slot, prompt, 0)])
        tokens = [400 + slot for slot in range(batch_size)]
        for _ in range(num_steps):
            batch = [SlotTokens(slot, np.array([token])) for slot, token in enumerate(tokens)]
            output = timed(times["step"], partial(session.step, batch))
            top = output.top_logits, output.top_token_ids
            tokens = timed(times[kind], partial(sampler.sample, output.logits, states, *top))
            for state, token in zip(states, tokens, strict=True):
                assert isinstance(token, int)
                state.accept(token)
            if kind == "greedy":
                timed(times[LOGPROBS], partial(token_logprobs, output.logits, tokens, [5] * batch_size, *top))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    options = parser.parse_args()
    session, _ = open_session(options.model)
    print(f"{'medians':34} {'ms':>8}   of the step")
    for batch_size in (1, 8):
        measure(session, batch_size, 10)
        times = {kind: statistics.median(each) for kind, each in measure(session, batch_size, options.steps).items()}
        for kind, milliseconds in times.items():
            name = f"batch {batch_size}, {kind}"
            print(f"{name:34} {milliseconds:8.3f}   {100 * milliseconds / times['step']:5.1f} %", flush=True)


if __name__ == "__main__":
    main()
