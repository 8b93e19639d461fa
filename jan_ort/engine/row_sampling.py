"""From a step's logits to one token for each row that ends in a logit (hop 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from jan_ort.engine.events import TokenLogprobs
from jan_ort.engine.generation import Generation
from jan_ort.engine.logprobs import token_logprobs
from jan_ort.engine.scheduler import Batch, Row
from jan_ort.sampling.chain import Sampler
from jan_ort_backends import StepOutput


class Sampled(NamedTuple):
    """The token of one row, with its log-probabilities if they are wanted."""

    generation: Generation
    token_id: int
    logprobs: TokenLogprobs | None


def within_vocabulary(output: StepOutput, vocab_size: int) -> StepOutput:
    """Return the logits of the first ``vocab_size`` tokens: a padded model has some for ids that no token has."""
    if output.logits.shape[1] <= vocab_size:
        return output
    top_logits, top_token_ids = output.top_logits, output.top_token_ids
    if top_token_ids is not None and (top_token_ids >= vocab_size).any():
        top_logits = top_token_ids = None
    return StepOutput(output.logits[:, :vocab_size], top_logits, top_token_ids)


def sample_rows(
    sampler: Sampler, batch: Batch, output: StepOutput, generations: Mapping[int, Generation]
) -> list[Sampled]:
    """Return what is sampled for each row of ``batch`` that ends in a logit; ``generations`` by sequence id.

    A prompt's own log-probabilities, where its rows have logits, are kept in its generation.
    """
    sampling: list[Generation] = []
    last_logits: list[int] = []
    end = 0
    for row in batch.rows:
        end += row.num_logits
        if row.num_logits > 1:
            _keep_prompt_logprobs(generations[row.sequence.id], row, output, end - row.num_logits)
        if row.is_sampled:
            sampling.append(generations[row.sequence.id])
            last_logits.append(end - 1)
    if not sampling:
        return []
    picked = _pick(output, last_logits)
    token_ids = sampler.sample(
        picked.logits, [generation.sampler for generation in sampling], picked.top_logits, picked.top_token_ids
    )
    token_ids = [generation.settle(token_id) for generation, token_id in zip(sampling, token_ids, strict=True)]
    return [*map(Sampled, sampling, token_ids, _logprobs(picked, sampling, token_ids))]


def _keep_prompt_logprobs(generation: Generation, row: Row, output: StepOutput, first: int) -> None:
    """Keep the log-probabilities of the prompt tokens that this chunk's logits, from row ``first``, predict."""
    sequence = row.sequence
    start = sequence.num_computed + 1
    predicted = sequence.prompt[start : start + row.num_tokens].tolist()
    logits = output.logits[first : first + len(predicted)]
    if predicted:
        num_top = [generation.params.logprobs or 0] * len(predicted)
        generation.add_prompt_logprobs(token_logprobs(logits, predicted, num_top))


def _pick(output: StepOutput, rows: list[int]) -> StepOutput:
    """Return the given rows of the output; the output itself, uncopied, when these are all of them."""
    if len(rows) == len(output.logits):
        return output
    top = output.top_logits, output.top_token_ids
    return StepOutput(output.logits[rows], *(None if t is None else t[rows] for t in top))  # type: ignore[arg-type]


def _logprobs(output: StepOutput, generations: list[Generation], token_ids: list[int]) -> list[TokenLogprobs | None]:
    """Return the log-probabilities of the rows that want them, None for the others."""
    wanted = [row for row, generation in enumerate(generations) if generation.params.logprobs is not None]
    results: list[TokenLogprobs | None] = [None] * len(token_ids)
    if wanted:
        picked = _pick(output, wanted)
        num_top = [generations[row].params.logprobs or 0 for row in wanted]
        values = token_logprobs(
            picked.logits, [token_ids[row] for row in wanted], num_top, picked.top_logits, picked.top_token_ids
        )
        for row, value in zip(wanted, values, strict=True):
            results[row] = value
    return results
