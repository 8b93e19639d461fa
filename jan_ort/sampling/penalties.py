"""Penalties for tokens that the text already holds."""

from __future__ import annotations

from jan_ort.sampling.params import SamplingParams

LARGEST_LOGIT = 1e30
"""Where biases and penalties end, so that no later difference or quotient of logits overflows."""


def bounded(logit: float) -> float:
    """Return the logit, or the nearest that later arithmetic can bear."""
    return min(max(logit, -LARGEST_LOGIT), LARGEST_LOGIT)


def penalise(logit: float, count: int, params: SamplingParams) -> float:
    """Return the logit of a token that stands ``count`` >= 1 times in the window.

    A positive logit is divided by the repeat penalty and another one multiplied by it (Keskar et al. 2019,
    arXiv:1909.05858, section 4.1, with the sign handled as Hugging Face and llama.cpp do); then ``count`` times the
    frequency penalty and the presence penalty are subtracted (OpenAI's API reference).
    """
    repeat = params.repeat_penalty
    if logit <= 0:
        logit *= repeat
    elif repeat:
        logit /= repeat
    else:
        logit = LARGEST_LOGIT  # the document allows a repeat penalty of 0: it makes the token as likely as can be
    logit -= count * params.frequency_penalty + params.presence_penalty
    return bounded(logit)
