"""What prompt lookup drafts: the longest match, the last of equals, and as much as the last drafts were right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.speculation.drafter import StepPrices, Wanted
from jan_ort.engine.speculation.ngram import MAX_EARLIER, MAX_SCOPES, NgramDrafter, longest_match
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState

TOKENS = st.lists(st.integers(0, 2), max_size=40)


def sequence(*token_ids: int, scope: str = "") -> TokenSequence:
    """Return a sequence that decodes after all but the last of these."""
    made = TokenSequence(np.array(token_ids[:-1], np.int64), scope=scope)
    made.num_computed = made.num_prompt_tokens
    made.append(token_ids[-1])
    return made


def draft(drafter: NgramDrafter, of: TokenSequence, most: int = 9) -> tuple[int, ...]:
    wanted = Wanted(of, SamplerState(SamplingParams(9), of.prompt), most)
    return drafter.drafts([wanted], StepPrices(None, float, float))[0]


def slow_longest_match(text: list[int], suffix: list[int]) -> tuple[int, int]:
    found = (0, 0)
    for length in range(1, len(suffix) + 1):
        for end in range(length, len(text) + 1):
            if text[end - length : end] == suffix[-length:]:
                found = (end, length)
    return found


@given(TOKENS, st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_the_longest_match_is_found_where_it_stands_last(text: list[int], suffix: list[int]) -> None:
    assert longest_match(np.array(text, np.int64), np.array(suffix)) == slow_longest_match(text, suffix)


@pytest.mark.parametrize(
    ("token_ids", "expected"),
    [
        ((1, 2, 3, 4, 5, 6, 9, 1, 2, 3, 4), (5, 6, 9, 1)),  # as long as the match
        ((1, 2, 7, 8, 1, 2, 5, 6, 1, 2), (5, 6)),  # the last of equals
        ((3, 1, 2, 7, 8, 1, 2, 5, 6, 3, 1, 2), (7, 8, 1)),  # the longest before the last
        ((1, 2, 3, 9, 3), ()),  # one token alone
        ((5, 5, 5, 5), (5, 5, 5)),  # goes on repeating itself
        ((1, 2, 1, 2, 1, 2), (1, 2, 1, 2)),
        ((1, 2, -8, -7, 1, 2), ()),  # no image
    ],
)
def test_what_followed_the_match_is_drafted(token_ids: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert draft(NgramDrafter(), sequence(*token_ids)) == expected


def test_no_more_is_drafted_than_may_be() -> None:
    assert draft(NgramDrafter(), sequence(1, 2, 3, 4, 5, 6, 9, 1, 2, 3, 4), most=2) == (5, 6)


def test_a_match_is_trusted_by_what_became_of_the_last_drafts() -> None:
    drafter, text = NgramDrafter(), sequence(1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4)
    lengths = [len(draft(drafter, text))]
    for num_accepted in (0, 0, 0, 4, 4, 4, 4, 4):
        drafter.judged(text, 4, num_accepted)
        lengths.append(len(draft(drafter, text)))

    assert lengths == [4, 2, 1, 0, 1, 2, 4, 8, 9]


def test_earlier_answers_are_looked_up_and_prompts_are_not() -> None:
    drafter, earlier = NgramDrafter(), sequence(11, 12, 13, 14)
    draft(drafter, earlier)
    earlier.tail += [15, 16]
    drafter.end(earlier)

    assert draft(drafter, sequence(1, 14, 15)) == (16,)
    assert draft(drafter, sequence(1, 12, 13)) == ()


def test_answers_are_looked_up_within_their_scope_only() -> None:
    drafter, earlier = NgramDrafter(), sequence(1, 2, 3, 4, scope="a")
    draft(drafter, earlier)
    earlier.tail += [5, 6]
    drafter.end(earlier)

    assert draft(drafter, sequence(9, 4, 5, scope="b")) == ()
    assert draft(drafter, sequence(9, 4, 5, scope="a")) == (6,)


def test_what_is_kept_of_answers_and_scopes_is_bounded() -> None:
    drafter = NgramDrafter()
    for number in range(MAX_SCOPES + 9):
        answer = sequence(1, 2, 3, scope=str(number))
        draft(drafter, answer)
        answer.tail += range(MAX_EARLIER)
        drafter.end(answer)

    assert len(drafter._earlier) == MAX_SCOPES
    assert {earlier.length for earlier in drafter._earlier.values()} == {MAX_EARLIER // 2 + 1}
    assert not drafter._texts
