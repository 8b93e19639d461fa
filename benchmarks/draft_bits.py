"""How often a token's logits are other bits in a row of several tokens than in a row of its own, and by how much.

For each scheme of weights, tokens that were decoded one by one are computed again in rows of 2, 4, 8 and 16, as drafts
are. Printed are the share of positions with any other bit, the largest difference of a logit, how often another token
is the likeliest, and the mean KL divergence of the distributions.
"""

from __future__ import annotations

import argparse
import random

import numpy as np
from numpy.typing import NDArray
from servers import CONTEXT_LENGTH
from workloads import text

from jan_ort.engine.logprobs import log_sum_exp
from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.plugins.choice import choose_backend
from jan_ort.settings.schema import Settings
from jan_ort_backends import OpenOptions, Session, SlotTokens, discover

SIZES = (2, 4, 8, 16)

Logits = NDArray[np.float32]


def one_by_one(session: Session, prompt: NDArray[np.int64], num_tokens: int) -> tuple[list[int], Logits]:
    """Return the tokens after a prompt, decoded greedily, and the logits that followed each."""
    session.truncate(0, 0)
    token_ids = [int(session.step([SlotTokens(0, prompt)]).logits.argmax())]
    rows = []
    for _ in range(num_tokens):
        rows.append(session.step([SlotTokens(0, np.array(token_ids[-1:]))]).logits[0].copy())
        token_ids.append(int(rows[-1].argmax()))
    return token_ids[:-1], np.array(rows)


def in_rows(session: Session, prompt: NDArray[np.int64], token_ids: list[int], size: int) -> Logits:
    """Return the logits after each of the tokens, computed ``size`` at a time."""
    session.truncate(0, 0)
    session.step([SlotTokens(0, prompt)])
    rows = []
    for begin in range(0, len(token_ids), size):
        row = SlotTokens(0, np.array(token_ids[begin : begin + size]), min(size, len(token_ids) - begin))
        rows.append(session.step([row]).logits.copy())
    return np.concatenate(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    parser.add_argument("--weights", nargs="+", default=["int8", "int4", "fp16"])
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=128)
    options = parser.parse_args()
    print("| weights | row | other bits | largest difference | another likeliest | KL |")
    print("|---|---|---|---|---|---|")
    for weights in options.weights:
        cache = Settings.read().cache_dir
        folder = resolve_model(options.model, task=GENERATE, cache_dir=cache, weights=weights)
        asked = OpenOptions(num_slots=1, context_length=CONTEXT_LENGTH, extra={"provider": "cpu"})
        session = choose_backend(None, folder, discover()).open(folder, asked)
        tokenizer, rng = TextTokenizer(folder / "tokenizer.json"), random.Random(0)
        prompts = [tokenizer.encode(text(rng, 20 + 60 * at)) for at in range(options.prompts)]
        plain = [one_by_one(session, prompt, options.tokens) for prompt in prompts]
        alone = np.concatenate([logits for _, logits in plain])
        for size in SIZES:
            rows = zip(prompts, plain, strict=True)
            drafted = np.concatenate([in_rows(session, prompt, token_ids, size) for prompt, (token_ids, _) in rows])
            ours, theirs = (each - log_sum_exp(each)[:, np.newaxis] for each in (alone, drafted))
            print(
                f"| {weights} | {size} | {(alone != drafted).any(axis=1).mean():.1%} | {abs(alone - drafted).max():.1e}"
                f" | {(alone.argmax(axis=1) != drafted.argmax(axis=1)).mean():.2%}"
                f" | {(np.exp(ours) * (ours - theirs)).sum(axis=1).mean():.1e} |",
                flush=True,
            )
        session.close()


if __name__ == "__main__":
    main()
