"""Prompts with images: scheduled, cached and sampled like any other, and never cut inside of an image."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pytest

from jan_ort.engine.batching import Batching
from jan_ort.engine.embedded import row_of, uncut, uncut_from, with_images
from jan_ort.engine.generation import Prompt
from jan_ort.engine.image_encoder import ImageEncoder
from jan_ort.engine.scheduler import Scheduler
from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.slots import reusable_length
from jan_ort.sampling.chain import Sampler
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState
from jan_ort_backends import EMBEDDED, Capability, Embedded, EmbeddedRun, SlotTokens
from jan_ort_backends.reference import ReferenceImages
from jan_ort_backends.reference_tokenizer import EOS_TOKEN_ID
from tests.engine.running import ALL, CHUNKED, PLAIN, Tokens, outputs_of, request, running

IMAGE = 511


def image(key: str, *runs: int, size: int = 32) -> Embedded:
    """Return an image of so many vectors in each run, with a token before, between and after them."""
    token_ids = [7]
    for run in runs:
        token_ids += [*[EMBEDDED] * run, 8]
    told = tuple(EmbeddedRun(f"{key}/{at}", np.full((num, size), at, np.float32)) for at, num in enumerate(runs))
    return Embedded(np.array(token_ids), told)


def prompt_of(*parts: Embedded | int) -> tuple[Tokens, dict[int, EmbeddedRun]]:
    images = [part for part in parts if isinstance(part, Embedded)]
    texts = [np.array([IMAGE]) if isinstance(part, Embedded) else np.arange(100, 100 + part) for part in parts]
    return with_images(np.concatenate(texts), images, IMAGE)


def test_a_prompt_is_taken_apart_into_what_a_backend_takes() -> None:
    prompt, runs = prompt_of(3, image("a", 2, 3), 2)

    token_ids, embedded = row_of(prompt, runs, 0, len(prompt))

    assert token_ids.tolist() == [100, 101, 102, 7, -1, -1, 8, -1, -1, -1, 8, 100, 101]
    assert [run.key for run in embedded] == ["a/0", "a/1"]
    assert sorted(runs) == [4, 7]
    assert row_of(prompt, runs, 6, 13)[1] == embedded[1:]


def test_as_many_images_as_places_are_asked_for() -> None:
    with pytest.raises(ValueError, match="1 places for 2 images"):
        with_images(np.array([1, IMAGE]), [image("a", 1)] * 2, IMAGE)


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        ((3, image("a", 4), 5), 9),
        ((3, image("b", 4), 5), 4),
        ((3, image("a", 4), image("a", 4), 5), 9),
        ((3, 5), 3),
    ],
)
def test_prompts_share_images_of_one_key(other: tuple[Embedded | int, ...], shared: int) -> None:
    prompt, _ = prompt_of(3, image("a", 4), 9)

    assert min(reusable_length(prompt, prompt_of(*other)[0]), 9) == shared


def test_an_image_at_the_end_is_computed_whole() -> None:
    adjacent = Embedded(np.array([EMBEDDED] * 6), (EmbeddedRun("a", np.zeros((6, 2), np.float32)),))
    prompt, _ = prompt_of(3, adjacent)

    assert reusable_length(prompt, prompt) == 3
    assert [uncut(prompt, at) for at in range(10)] == [0, 1, 2, 3, 3, 3, 3, 3, 3, 9]
    assert [uncut_from(prompt, at) for at in range(10)] == [0, 1, 2, 3, 9, 9, 9, 9, 9, 9]


def test_two_images_side_by_side_may_be_parted() -> None:
    one = Embedded(np.array([EMBEDDED] * 3), (EmbeddedRun("a", np.zeros((3, 2), np.float32)),))
    prompt, _ = prompt_of(one, one)

    assert [uncut(prompt, at) for at in range(7)] == [0, 0, 0, 3, 3, 3, 6]


@pytest.mark.parametrize("parts", [(1, image("a", 40), 1), (20, image("a", 9, 30), 5), (2, image("a", 3)), (50,)])
def test_no_chunk_ends_inside_of_an_image(parts: tuple[Embedded | int, ...]) -> None:
    prompt, runs = prompt_of(*parts)
    scheduler = Scheduler(1, Batching(chunk_alone=8, smallest_alone=2))
    sequence = TokenSequence(prompt, embedded=runs)
    scheduler.add(sequence)
    ends = []

    while not sequence.is_prefilled:
        batch = scheduler.schedule()
        assert batch is not None
        ends.append(sequence.num_computed + batch.rows[0].num_tokens)
        scheduler.commit(batch.rows)

    assert ends[-1] == len(prompt)
    assert [uncut(prompt, end) for end in ends] == ends
    assert all(later - end >= 2 for end, later in zip([0, *ends], ends, strict=False))


PICTURES = [np.full((8, 8, 3), shade, np.uint8) for shade in (20, 220)]
PARAMS = SamplingParams(8, seed=3)


def twin(prompt: Tokens, runs: Mapping[int, EmbeddedRun]) -> list[int]:
    """Generate with one slot, one token at a time, after the whole prompt in one row."""
    session = ReferenceImages(1, 512)
    token_ids, embedded = row_of(prompt, runs, 0, len(prompt))
    state = SamplerState(PARAMS, prompt[prompt >= 0])
    output = session.step([SlotTokens(0, token_ids, embedded=embedded)])
    for _ in range(PARAMS.max_tokens):
        (token_id,) = Sampler([EOS_TOKEN_ID]).sample(output.logits, [state])
        assert isinstance(token_id, int)
        state.accept(token_id)
        output = session.step([SlotTokens(0, np.array([token_id]))])
    return list(state.window)[-PARAMS.max_tokens :]


@pytest.mark.parametrize("capabilities", [ALL, CHUNKED, PLAIN], ids=["mixed", "chunked", "no-fork"])
def test_answers_about_images_are_the_twins(capabilities: Collection[Capability]) -> None:
    session = ReferenceImages(4, 512)
    dark, light = (session.encode_image(pixels) for pixels in PICTURES)
    prompts = [prompt_of(*parts) for parts in ((5, dark, 5), (5, light, 5), (30, dark, 9, light), (light, dark))]
    prompts += [prompts[0], prompt_of(5, dark, 5, light, 3)]

    with running(session, capabilities=capabilities) as engine:
        asked = [request(Prompt(ids, 0, PARAMS, embedded=runs)) for ids, runs in prompts]
        for each in asked[:4]:
            engine.submit(each)
        outputs = [outputs_of(each)[0] for each in asked[:4]]
        for each in asked[4:]:
            engine.submit(each)
            outputs.append(outputs_of(each)[0])

    found = [list(output.token_ids) for output in outputs]
    assert found == [twin(*prompt)[: len(token_ids)] for prompt, token_ids in zip(prompts, found, strict=True)]
    assert len({tuple(token_ids) for token_ids in found[:4]}) == 4
    assert [output.num_cached_tokens for output in outputs[4:]] == [len(prompts[0][0]) - 2, len(prompts[0][0])]


def test_the_log_probabilities_of_a_prompt_are_of_its_text() -> None:
    session = ReferenceImages(1, 512)
    ids, runs = prompt_of(4, session.encode_image(PICTURES[0]), 3)

    with running(session) as engine:
        asked = request(Prompt(ids, 0, SamplingParams(1, logprobs=0), embedded=runs), prompt_logprobs=True)
        engine.submit(asked)
        (output,) = outputs_of(asked)

    assert output.logprobs is not None
    assert [each.token_id for each in output.logprobs[:-1]] == [101, 102, 103, 509, 510, 100, 101, 102]


def test_an_image_that_comes_again_is_not_encoded_again() -> None:
    encoder = ImageEncoder(lambda: ReferenceImages(1, 8), max_bytes=2 * (16 * 32 * 4 + 18 * 8))
    first, again = encoder.encode(PICTURES[0]), encoder.encode(PICTURES[0].copy())

    assert again is first
    assert encoder.encode(PICTURES[0], "low") is not first
    encoder.encode(PICTURES[1])
    encoder.encode(PICTURES[1][:4])
    assert encoder.encode(PICTURES[0]) is not first
    assert encoder.num_encoded == 5
