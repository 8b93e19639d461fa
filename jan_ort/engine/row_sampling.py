"""From a step's logits to one token for each row that ends in a logit (hop 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.batch import Row
from jan_ort.engine.events import TokenLogprobs
from jan_ort.engine.generation import Generation
from jan_ort.engine.logprobs import token_logprobs
from jan_ort.sampling.chain import Drawn, Sampler
from jan_ort_backends import BackendError, StepOutput


class Sampled(NamedTuple):
    """What was drawn for one row, with its log-probabilities if they are wanted."""

    generation: Generation
    drawn: Drawn
    logprobs: TokenLogprobs | None = None


def within_vocabulary(output: StepOutput, vocab_size: int) -> StepOutput:
    """Return the logits of the first ``vocab_size`` tokens: a padded model has some for ids that no token has."""
    if output.logits.shape[1] <= vocab_size:
        return output
    top_logits, top_token_ids = output.top_logits, output.top_token_ids
    if top_token_ids is not None and (top_token_ids >= vocab_size).any():
        top_logits = top_token_ids = None
    return StepOutput(output.logits[:, :vocab_size], top_logits, top_token_ids)


def sample_rows(
    sampler: Sampler, rows: Sequence[Row], output: StepOutput, generations: Mapping[int, Generation]
) -> list[Sampled]:
    """Return what is drawn for each of ``rows`` that ends in a logit; ``generations`` by sequence id.

    A prompt's own log-probabilities, where its rows have logits, are kept in its generation. A row whose logits are
    no numbers has an error in the place of its token; the other rows' tokens are those they would have without it.
    """
    sampling: list[Generation] = []
    last_logits: list[int] = []
    failed: list[Sampled] = []
    largest = _largest(output)
    all_finite = bool(np.isfinite(largest).all())
    end = 0
    for row in rows:
        start, end = end, end + row.num_logits
        generation = generations[row.sequence.id]
        try:
            if not all_finite:
                _check_finite(largest[start:end])
            if row.num_logits > 1:
                _keep_prompt_logprobs(generation, row, output, start)
        except Exception as error:
            failed.append(Sampled(generation, error))
            continue
        if row.is_sampled:
            sampling.append(generation)
            last_logits.append(end - 1)
    return failed + _draw(sampler, pick(output, last_logits), sampling) if sampling else failed


def _draw(sampler: Sampler, output: StepOutput, generations: list[Generation]) -> list[Sampled]:
    """Return what is drawn from the logits of each generation's row."""
    states = [generation.sampler for generation in generations]
    drawn = sampler.sample(output.logits, states, output.top_logits, output.top_token_ids)
    drawn = [generation.settle(each) for generation, each in zip(generations, drawn, strict=True)]
    return [
        Sampled(generation, logprobs) if isinstance(logprobs, Exception) else Sampled(generation, each, logprobs)
        for generation, each, logprobs in zip(generations, drawn, _logprobs(output, generations, drawn), strict=True)
    ]


def _largest(output: StepOutput) -> NDArray[np.float32]:
    """Return the largest logit of each row, NaN if a NaN is among those that are looked at.

    That costs 5 to 35 µs for a row of 49,152; of a backend that finds the largest ones only these are looked at, which
    are what is sampled from. The whole row is where it is needed.
    """
    logits = output.logits if output.top_logits is None or not output.top_logits.size else output.top_logits
    largest: NDArray[np.float32] = logits.max(axis=1)
    return largest


def _check_finite(largest: NDArray[np.float32]) -> None:
    """Raise BackendError unless the largest logit of every row, ``(n,)``, is finite; a row may hold -inf beside it."""
    wrong = largest[~np.isfinite(largest)]
    if len(wrong):
        raise BackendError(f"logits are not finite: the largest of a row is {wrong[0]}; the model's run failed")


def _keep_prompt_logprobs(generation: Generation, row: Row, output: StepOutput, first: int) -> None:
    """Keep the log-probabilities of the prompt tokens that this chunk's logits, from row ``first``, predict."""
    sequence = row.sequence
    start = sequence.num_computed + 1
    following = sequence.prompt[start : start + row.num_tokens]
    places = np.flatnonzero(following >= 0)  # nothing predicts an image
    predicted = following[places].tolist()
    if predicted:
        logits = output.logits[first + places]
        num_top = [generation.params.logprobs or 0] * len(predicted)
        for value in token_logprobs(logits, predicted, num_top):
            if isinstance(value, BackendError):
                raise value
            generation.add_prompt_logprobs(value)


def pick(output: StepOutput, rows: list[int]) -> StepOutput:
    """Return the given rows of the output; the output itself, uncopied, when these are all of them."""
    if len(rows) == len(output.logits):
        return output
    top = output.top_logits, output.top_token_ids
    return StepOutput(output.logits[rows], *(None if t is None else t[rows] for t in top))  # type: ignore[arg-type]


def _logprobs(
    output: StepOutput, generations: list[Generation], drawn: list[Drawn]
) -> list[TokenLogprobs | BackendError | None]:
    """Return the log-probabilities of the rows that want them and have a token, None for the others."""
    results: list[TokenLogprobs | BackendError | None] = [None] * len(drawn)
    wanted = {
        row: token_id
        for row, token_id in enumerate(drawn)
        if generations[row].params.logprobs is not None and isinstance(token_id, int)
    }
    if wanted:
        picked = pick(output, list(wanted))
        num_top = [generations[row].params.logprobs or 0 for row in wanted]
        token_ids = list(wanted.values())
        values = token_logprobs(picked.logits, token_ids, num_top, picked.top_logits, picked.top_token_ids)
        for row, value in zip(wanted, values, strict=True):
            results[row] = value
    return results
