"""One sequence under a constraint: masks, forced tokens, ends, and JSON that is closed at the token limit."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from jan_ort.structured.grammar_errors import ConstraintFailed
from tests.structured.json_schema.schemas import SCHEMAS
from tests.structured.walking import Model, read, walk

_REQUIRED = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1}},
    "required": ["name", "tags"],
    "additionalProperties": False,
}


def test_only_tokens_that_go_on_are_allowed_and_ids_without_a_token_never(model: Model) -> None:
    constraint = model.compiler.gbnf("root ::= .*").start()

    allowed = constraint.allowed()

    assert allowed.shape == (520,)
    assert allowed.dtype == np.bool_
    special = set(range(506, 512)) - set(model.eos_token_ids)
    assert not allowed[[*special, *range(512, 520)]].any()
    assert allowed[list(model.eos_token_ids)].all()


def test_the_text_may_end_only_where_it_is_a_sentence(model: Model) -> None:
    constraint = model.compiler.gbnf('root ::= "a" "b"*').start()

    masks = []
    for byte in b"ab":
        masks.append(constraint.allowed()[list(model.eos_token_ids)].tolist())
        constraint.accept(byte)

    assert masks == [[False, False], [True, True]]
    assert constraint.is_accepting()
    assert not constraint.is_complete


def test_a_text_that_cannot_go_on_is_complete(model: Model) -> None:
    constraint = model.compiler.gbnf('root ::= "ab"').start()

    assert read(model, constraint, "ab")

    assert constraint.is_complete
    assert np.flatnonzero(constraint.allowed()).tolist() == sorted(model.eos_token_ids)


@pytest.mark.parametrize("token_id", [ord("x"), 506, 511, 515])
def test_a_token_that_is_not_allowed_fails_this_sequence_alone(token_id: int, model: Model) -> None:
    grammar = model.compiler.gbnf('root ::= "ab"')
    failing, other = grammar.start(), grammar.start()

    with pytest.raises(ConstraintFailed, match=f"token id {token_id} is not allowed here"):
        failing.accept(token_id)

    assert read(model, other, "ab")


def test_forced_tokens_are_canonical_and_not_consumed(model: Model) -> None:
    constraint = model.compiler.gbnf('root ::= "x" " the answer to" [.!]').start()
    constraint.accept(ord("x"))

    forced = constraint.forced()

    assert model.tokenizer.decode(forced) == " the answer to"[: len(model.tokenizer.decode(forced))]
    assert forced == model.tokenizer.encode(" the answer to").tolist()[: len(forced)]
    assert len(forced) > 1
    assert constraint.forced() == forced


def test_nothing_is_forced_where_there_is_a_choice_or_the_end(model: Model) -> None:
    constraint = model.compiler.gbnf('root ::= "a" | "b"').start()

    assert constraint.forced() == []
    constraint.accept(ord("a"))
    assert constraint.forced() == []


def test_sequences_of_one_grammar_do_not_meet(model: Model) -> None:
    grammar = model.compiler.gbnf("root ::= [a-z]+ [0-9]+")
    first, second = grammar.start(), grammar.start()

    first.accept(ord("a"))
    first.accept(ord("1"))

    assert second.allowed()[ord("a")]
    assert not second.allowed()[ord("1")]
    assert not first.allowed()[ord("a")]


def test_masks_may_be_computed_on_other_threads(model: Model) -> None:
    grammar = model.compiler.json_object()
    texts = ['{"a": [1, 2]}', '{"b": {"c": null}}', "{}", '{"d": "e"}'] * 8

    with ThreadPoolExecutor(4) as pool:
        read_all = list(pool.map(lambda text: read(model, grammar.start(), text), texts))

    assert read_all == [True] * len(texts)


@pytest.mark.parametrize("limit", range(3, 40))
def test_any_object_is_closed_within_the_limit(limit: int, model: Model) -> None:
    grammar = model.compiler.json_object()
    rng = random.Random(limit)

    for _ in range(5):
        taken = walk(model, grammar, rng, limit)
        assert isinstance(json.loads(taken.text), dict)
        assert len(taken.token_ids) <= limit


@pytest.mark.weights
@pytest.mark.parametrize("limit", range(3, 40))
def test_any_object_is_closed_within_the_limit_in_a_real_vocabulary(limit: int, smollm2: Model) -> None:
    grammar = smollm2.compiler.json_object()
    rng = random.Random(limit)

    for _ in range(5):
        assert isinstance(json.loads(walk(smollm2, grammar, rng, limit).text), dict)


def test_required_properties_are_still_written_before_the_limit(model: Model) -> None:
    grammar = model.compiler.json_schema(_REQUIRED)
    rng = random.Random(3)

    for _ in range(30):
        document = json.loads(walk(model, grammar, rng, 30).text)
        assert sorted(document) == ["name", "tags"]


def test_an_output_tells_that_it_was_closed(model: Model) -> None:
    grammar = model.compiler.json_schema({"type": "string"})
    constraint = grammar.start()
    assert read(model, constraint, '"a')

    kept = constraint.settle(ord("b"), 2)
    assert (kept, constraint.was_closed) == (ord("b"), False)
    constraint.accept(kept)
    replaced = constraint.settle(ord("c"), 1)

    assert (replaced, constraint.was_closed) == (ord('"'), True)


def test_the_mask_leaves_one_token_when_the_ending_only_just_fits(model: Model) -> None:
    constraint = model.compiler.json_schema({"type": "string"}).start()
    assert read(model, constraint, '"a')

    free, last = constraint.closing(2), constraint.closing(1)

    assert free is None
    assert last is not None
    assert np.flatnonzero(last).tolist() == [ord('"')]
    assert constraint.was_closed


def test_a_number_stops_where_one_more_character_would_need_another(model: Model) -> None:
    constraint = model.compiler.json_schema({"type": "number"}).start()
    assert read(model, constraint, "12")

    assert constraint.settle(ord("3"), 1) == ord("3")
    assert constraint.settle(ord("."), 1) in model.eos_token_ids
    assert constraint.was_closed


def test_what_cannot_be_closed_any_more_is_left_as_it_is(model: Model) -> None:
    constraint = model.compiler.json_object().start()
    assert read(model, constraint, '{"a')

    assert constraint.settle(ord("b"), 2) == ord("b")
    assert constraint.closing(2) is None
    assert not constraint.was_closed


def test_a_grammar_is_not_closed(model: Model) -> None:
    constraint = model.compiler.gbnf('root ::= "[" [a-z]* "]"').start()
    assert read(model, constraint, "[a")

    assert constraint.closing(1) is None
    assert constraint.settle(ord("b"), 1) == ord("b")


@pytest.mark.parametrize("name", ["person", "tree", "matrix", "anyOf objects", "tuple and rest"])
def test_a_larger_limit_is_never_a_worse_ending(name: str, model: Model) -> None:
    grammar = model.compiler.json_schema(dict(SCHEMAS)[name])

    endings = [walk(model, grammar, random.Random(5), limit).constraint.is_accepting() for limit in range(1, 80)]

    assert endings[-1]
    assert all(later or not earlier for earlier, later in pairwise(endings))
