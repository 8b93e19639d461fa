"""The penalties against a loop over Python floats."""

from hypothesis import given
from hypothesis import strategies as st

from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import LARGEST_LOGIT, penalise
from tests.sampling import twin

VOCAB_SIZE = 6

logits_lists = st.lists(st.floats(-40, 40, width=32), min_size=VOCAB_SIZE, max_size=VOCAB_SIZE)
windows = st.lists(st.integers(-1, VOCAB_SIZE + 2), min_size=1, max_size=12)


def apply(logits: list[float], window: list[int], params: SamplingParams) -> list[float]:
    counts = [window.count(token_id) for token_id in range(VOCAB_SIZE)]
    return [penalise(logit, count, params) if count else logit for logit, count in zip(logits, counts, strict=True)]


@given(
    logits=logits_lists,
    window=windows,
    repeat=st.floats(0.01, 10),
    presence=st.floats(-2, 2),
    frequency=st.floats(-2, 2),
)
def test_penalties_equal_the_twin(
    logits: list[float], window: list[int], repeat: float, presence: float, frequency: float
) -> None:
    params = SamplingParams(1, repeat_penalty=repeat, presence_penalty=presence, frequency_penalty=frequency)

    assert apply(logits, window, params) == twin.penalised(logits, window, params)


def test_neutral_penalties_leave_the_logits_as_they_are() -> None:
    logits = [1.5, -2.5, 0.0, 3.25, -0.125, 7.0]

    assert apply(logits, [0, 1, 2, 3, 4, 5, 0], SamplingParams(1, repeat_penalty=1.0)) == logits


def test_repeat_penalty_0_makes_a_repeated_positive_logit_the_largest_and_a_negative_one_zero() -> None:
    logits = [1.0, -1.0, 0.0, 2.0, 3.0, 4.0]

    values = apply(logits, [0, 1, 2], SamplingParams(1, repeat_penalty=0.0))

    assert values == [LARGEST_LOGIT, 0.0, 0.0, 2.0, 3.0, 4.0]


def test_negative_presence_and_frequency_penalties_raise_what_occurs() -> None:
    params = SamplingParams(1, repeat_penalty=1.0, presence_penalty=-2.0, frequency_penalty=-0.5)

    assert apply([0.0] * VOCAB_SIZE, [3, 3, 4], params) == [0.0, 0.0, 0.0, 3.0, 2.5, 0.0]
