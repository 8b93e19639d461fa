"""A slow, obvious twin of the sampler: one row at a time, loops over Python floats."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jan_ort.sampling.params import SamplingParams


def penalised(logits: Sequence[float], window: Sequence[int], params: SamplingParams) -> list[float]:
    """Apply the penalties to every token of the vocabulary that stands in the window."""
    result = list(logits)
    for token_id in {token for token in window if 0 <= token < len(logits)}:
        logit, count = result[token_id], list(window).count(token_id)
        if params.repeat_penalty == 0.0:
            logit = 0.0 if logit <= 0 else 1e30
        else:
            logit = logit / params.repeat_penalty if logit > 0 else logit * params.repeat_penalty
        result[token_id] = logit - (count * params.frequency_penalty + params.presence_penalty)
    return result


def ranked(logits: Sequence[float]) -> list[int]:
    """Return the token ids, the largest logit first, ties by id."""
    return sorted(range(len(logits)), key=lambda token_id: (-logits[token_id], token_id))


def softmax(logits: Sequence[float], temperature: float) -> list[float]:
    """Return the probabilities of logits of which the first is the largest."""
    weights = [math.exp((logit - logits[0]) / temperature) for logit in logits]
    return [weight / math.fsum(weights) for weight in weights]


def top_p_size(probs: Sequence[float], top_p: float) -> int:
    """Return how many of the sorted probabilities the nucleus keeps."""
    if top_p >= 1.0:
        return len(probs)
    total = 0.0
    for size, prob in enumerate(probs, start=1):
        total += prob
        if total >= top_p:
            return size
    return len(probs)


def distribution(logits: Sequence[float], window: Sequence[int], params: SamplingParams) -> dict[int, float]:
    """Return the probability of every token that may be drawn."""
    values = penalised(logits, window, params)
    order = ranked(values)[: params.top_k or len(values)]
    if params.temperature == 0.0:
        return {order[0]: 1.0}
    probs = softmax([values[token_id] for token_id in order], params.temperature)
    kept = probs[: top_p_size(probs, params.top_p)]
    kept = [prob for prob in kept if prob >= params.min_p * kept[0]]
    return {token_id: prob / math.fsum(kept) for token_id, prob in zip(order, kept, strict=False)}
