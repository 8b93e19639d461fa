"""A slow, obvious twin of the sampler: one row at a time, loops over Python floats."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from jan_ort.sampling.params import SamplingParams


def bounded(logit: float) -> float:
    """Adjusted logits end at 1e30 on both sides."""
    return max(-1e30, min(1e30, logit))


def penalised(logits: Sequence[float], window: Sequence[int], params: SamplingParams) -> list[float]:
    """Apply the penalties to every token of the vocabulary that stands in the window."""
    result = list(logits)
    for token_id in {token for token in window if 0 <= token < len(logits)}:
        logit, count = result[token_id], list(window).count(token_id)
        if params.repeat_penalty == 0.0:
            logit = 0.0 if logit <= 0 else 1e30
        else:
            logit = logit / params.repeat_penalty if logit > 0 else logit * params.repeat_penalty
        result[token_id] = bounded(logit - (count * params.frequency_penalty + params.presence_penalty))
    return result


def adjusted(
    logits: Sequence[float], window: Sequence[int], params: SamplingParams, allowed: Collection[int] | None = None
) -> list[float]:
    """Add the biases, apply the penalties, and take out what must not come: the logits that temperature meets."""
    biased = list(logits)
    for token_id, bias in params.logit_bias:
        biased[token_id] = bounded(biased[token_id] + bias)
    values = penalised(biased, window, params)
    return [v if allowed is None or token_id in allowed else -math.inf for token_id, v in enumerate(values)]


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


def distribution(
    logits: Sequence[float],
    window: Sequence[int],
    params: SamplingParams,
    allowed: Collection[int] | None = None,
    mu: float = 0.0,
) -> dict[int, float]:
    """Return the probability of every token that may be drawn; ``mu`` is Mirostat's bound on surprise."""
    values = adjusted(logits, window, params, allowed)
    order = [token_id for token_id in ranked(values) if values[token_id] > -math.inf]
    if params.temperature == 0.0:
        return {order[0]: 1.0}
    if not params.mirostat_mode:
        order = order[: params.top_k or len(order)]
    probs = softmax([values[token_id] for token_id in order], params.temperature)
    if params.mirostat_mode:
        kept = probs[: mirostat_size(probs, mu, params)]
    else:
        kept = probs[: top_p_size(probs, params.top_p)]
        kept = [prob for prob in kept if prob >= params.min_p * kept[0]]
    return {token_id: prob / math.fsum(kept) for token_id, prob in zip(order, kept, strict=False)}


def mirostat_size(probs: Sequence[float], mu: float, params: SamplingParams) -> int:
    """Return how many of the sorted probabilities Mirostat keeps: algorithms 1 and 2 of arXiv:2007.14966."""
    if params.mirostat_mode == 2:
        return max(1, sum(prob >= 2**-mu for prob in probs))
    top = [prob for prob in probs[:100] if prob > 0.0]
    if len(top) < 2:
        return 1
    t = [math.log((i + 1) / i) for i in range(1, len(top))]
    b = [math.log(top[i - 1] / top[i]) for i in range(1, len(top))]
    s = sum(x * y for x, y in zip(t, b, strict=True)) / sum(x * x for x in t)
    if s <= 0:
        return len(probs)
    epsilon = s - 1
    k = (epsilon * 2**mu / (1 - len(probs) ** -epsilon)) ** (1 / s)
    return max(1, min(int(k), len(probs)))
