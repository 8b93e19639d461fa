"""With real weights: a long prefill ends at once when its client goes, and disturbs nobody before and after."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from jan_ort.engine.batching import Batching
from jan_ort.engine.engine import Engine
from jan_ort.sampling.params import SamplingParams
from tests.engine.running import WAIT_S, Tokens, events_of, outputs_of, wait_until
from tests.engine.weights import KeptSession, Twin, ask_tokens, generate, joined, num_slots_that_cache, running_weights

pytestmark = pytest.mark.weights

PARAMS = SamplingParams(12, seed=7, logprobs=2)
PROMPT: Tokens = np.random.default_rng(3).integers(100, 40_000, 3000)
WHOLE = Batching(chunk_alone=4096)  # several seconds of prefill in one step
BOUND_S = 2.0


@pytest.fixture(scope="module")
def session(smollm2_folder: Path) -> KeptSession:
    return KeptSession(smollm2_folder, context_length=4096)


@pytest.fixture(scope="module")
def twin(smollm2_folder: Path) -> Twin:
    return Twin(smollm2_folder)


def is_prefilling(engine: Engine) -> bool:
    return engine._runner._prefill is not None


def num_free(engine: Engine) -> int:
    return engine._scheduler.slots.num_free


def test_an_abort_ends_a_long_step_and_the_next_answer_is_exact(session: KeptSession, twin: Twin) -> None:
    asked = ask_tokens(PROMPT, PARAMS)
    before = session.num_interrupted

    with running_weights(session, twin, batching=WHOLE) as engine:
        engine.submit(asked)
        wait_until(lambda: is_prefilling(engine))
        engine.abort(asked.id)
        started = time.monotonic()
        wait_until(lambda: engine.num_queued == 0)
        assert time.monotonic() - started < BOUND_S
        assert (num_free(engine), num_slots_that_cache(engine)) == (8, 0)
        result = generate(engine, PROMPT[:200], PARAMS)

    assert session.num_interrupted == before + 1
    assert result == twin.generate(PROMPT[:200], PARAMS)
    assert asked.sink.empty()


def test_what_was_computed_before_the_abort_is_still_cached(session: KeptSession, twin: Twin) -> None:
    asked = ask_tokens(PROMPT, PARAMS)

    with running_weights(session, twin, batching=Batching(chunk_alone=96)) as engine:
        engine.submit(asked)
        wait_until(lambda: num_slots_that_cache(engine) == 1)
        engine.abort(asked.id)
        again = ask_tokens(PROMPT[:150], PARAMS)
        engine.submit(again)
        (output,) = outputs_of(again)

    assert output.num_cached_tokens >= 96
    assert joined([output]) == twin.generate(PROMPT[:150], PARAMS)


def test_a_stream_beside_an_aborted_prefill_keeps_its_tokens(session: KeptSession, twin: Twin) -> None:
    params = SamplingParams(40, min_tokens=40, seed=8, logprobs=1)
    company, asked = ask_tokens(twin.encode("Hello there"), params, stream=True), ask_tokens(PROMPT, PARAMS)

    with running_weights(session, twin) as engine:
        engine.submit(company)
        begun = [company.sink.get(timeout=WAIT_S)]
        engine.submit(asked)
        begun += [company.sink.get(timeout=WAIT_S) for _ in range(5)]  # it has a step between each two chunks
        engine.abort(asked.id)
        wait_until(lambda: engine.num_queued == 1)
        assert num_free(engine) == 7
        beside = joined(begun + events_of(company))

    assert beside == twin.generate(company.prompts[0].token_ids, params)
    assert asked.sink.empty()


def test_many_aborts_at_any_time_leave_an_exact_engine(session: KeptSession, twin: Twin) -> None:
    random = np.random.default_rng(4)
    before = session.num_interrupted

    with running_weights(session, twin, batching=WHOLE) as engine:
        for _ in range(12):
            gone = [ask_tokens(PROMPT[: int(random.integers(2, 3000))], PARAMS) for _ in range(3)]
            for each in gone:
                engine.submit(each)
            time.sleep(random.uniform(0, 0.15))
            for each in gone:
                engine.abort(each.id)
        results = [generate(engine, PROMPT[:length], PARAMS) for length in (5, 100, 180)]
        assert (engine.num_queued, num_free(engine)) == (0, 8)

    assert session.num_interrupted > before
    assert results == [twin.generate(PROMPT[:length], PARAMS) for length in (5, 100, 180)]
