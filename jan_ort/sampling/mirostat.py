"""Mirostat 1 and 2: candidates limited so that the text's surprise stays near a target, in bits per token.

Source: Basu et al. 2021, arXiv:2007.14966, algorithms 1 and 2; the observed surprise is that of the token among the
candidates that are left, as in llama.cpp.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.params import SamplingParams

NUM_ESTIMATED = 100
"""The likeliest tokens from which Mirostat 1 estimates the exponent of the distribution: the paper's m."""


def starting_mu(params: SamplingParams) -> float:
    """Return the first bound on surprise: twice the target."""
    return 2.0 * params.mirostat_tau


def num_kept_1(probs: NDArray[np.float64], mu: float, num_tokens: int) -> int:
    """Return how many of ``num_tokens`` stay by Mirostat 1, which takes the distribution for one of Zipf's.

    Args: probs: of the ``NUM_ESTIMATED`` likeliest tokens, sorted, the largest first.
    """
    probs = probs[probs > 0.0]
    if len(probs) < 2:
        return 1
    places = np.arange(1, len(probs))
    t = np.log((places + 1) / places)
    b = np.log(probs[:-1] / probs[1:])
    s = float((t * b).sum() / (t * t).sum())
    if s <= 0.0:
        return num_tokens  # all are as likely
    epsilon = s - 1.0
    # epsilon / (1 - N ** -epsilon), whose limit at 0 is 1 / ln N
    scale = epsilon / -math.expm1(-epsilon * math.log(num_tokens)) if abs(epsilon) > 1e-9 else 1 / math.log(num_tokens)
    bits = (math.log2(scale) + mu) / s
    return num_tokens if bits >= math.log2(num_tokens) else max(1, int(2.0**bits))


def num_kept_2(probs: NDArray[np.float64], mu: float) -> int:
    """Return how many tokens stay by Mirostat 2: those whose surprise is at most ``mu``, at least one."""
    return max(1, int(np.count_nonzero(probs >= 2.0**-mu)))


def next_mu(mu: float, prob: float, params: SamplingParams) -> float:
    """Return the bound after a token whose probability among the candidates was ``prob``."""
    return mu - params.mirostat_eta * (-math.log2(prob) - params.mirostat_tau)
