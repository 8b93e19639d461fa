"""Sequences under a grammar: forced tokens as a chunk, failures of their own, and nothing changed by company."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.sampling.params import SamplingParams
from jan_ort.structured.compiler import CompiledGrammar, GrammarCompiler
from jan_ort.structured.constraint import Constraint
from jan_ort.structured.grammar_errors import ConstraintFailed
from jan_ort.structured.vocabulary import GrammarVocabulary
from tests.engine.running import (
    ALL,
    CHUNKED,
    EOS_TOKEN_ID,
    PLAIN,
    TOKENIZER,
    HeldSession,
    ask,
    encode,
    generate,
    outputs_of,
    request,
    running,
)

COMPILER = GrammarCompiler(GrammarVocabulary(TOKENIZER, [EOS_TOKEN_ID], 512))
DATE = COMPILER.gbnf('root ::= [0-9]{4} "-" [0-9]{2} "-" [0-9]{2}')
FORCED = COMPILER.gbnf('root ::= [ab] "quick brown fox jumps" [cd] "over"')
PARAMS = SamplingParams(60, seed=1, temperature=1.5, top_k=0, min_p=0.0, top_p=1.0)


def constrained(
    grammar: CompiledGrammar, params: SamplingParams = PARAMS, *, stream: bool = False
) -> GenerationRequest:
    return request(Prompt(encode("The river"), 0, params, grammar=grammar), stream=stream)


def text_of(grammar: CompiledGrammar, params: SamplingParams = PARAMS) -> tuple[str, str | None]:
    asked = constrained(grammar, params)
    with running() as engine:
        engine.submit(asked)
        (output,) = outputs_of(asked)
    return output.text, output.finish_reason


@pytest.mark.parametrize("capabilities", [ALL, CHUNKED, PLAIN], ids=["mixed", "chunked", "plain"])
def test_the_text_follows_the_grammar_and_ends_with_it(capabilities: frozenset[str]) -> None:
    asked = constrained(DATE)

    with running(capabilities=capabilities) as engine:
        engine.submit(asked)
        (output,) = outputs_of(asked)

    assert re.fullmatch(r"\d{4}-\d\d-\d\d", output.text)
    assert output.finish_reason == "stop"
    assert TOKENIZER.decode(output.token_ids) == output.text


def test_tokens_without_a_choice_are_computed_as_one_chunk() -> None:
    session, asked = HeldSession(2), constrained(FORCED)

    with running(session) as engine:
        engine.submit(asked)
        (output,) = outputs_of(asked)

    num_forced = len(encode("quick brown fox jumps"))
    assert [size for batch in session.batches for _, size in batch] == [len(encode("The river")), 1 + num_forced]
    assert re.fullmatch("[ab]quick brown fox jumps[cd]over", output.text)
    assert len(output.token_ids) == 2 + num_forced + len(encode("over"))


def test_log_probabilities_ask_the_model_for_every_token() -> None:
    session = HeldSession(2)
    asked = constrained(FORCED, SamplingParams(60, seed=1, logprobs=0))

    with running(session) as engine:
        engine.submit(asked)
        (output,) = outputs_of(asked)

    assert [entry.token_id for entry in output.logprobs] == list(output.token_ids)
    assert all(size == 1 for batch in session.batches[1:] for _, size in batch)


@pytest.mark.parametrize("max_tokens", [1, 2, 5])
def test_forced_tokens_count_towards_the_limit(max_tokens: int) -> None:
    asked = constrained(FORCED, SamplingParams(max_tokens, seed=1))

    with running() as engine:
        engine.submit(asked)
        (output,) = outputs_of(asked)

    assert (len(output.token_ids), output.finish_reason) == (max_tokens, "length")


def test_a_stop_string_ends_forced_text() -> None:
    text, finish_reason = text_of(FORCED, SamplingParams(60, seed=1, stop=("brown",)))

    assert re.fullmatch("[ab]quick ", text)
    assert finish_reason == "stop"


def test_a_stream_joins_to_the_same_text() -> None:
    asked = constrained(FORCED, stream=True)

    with running() as engine:
        engine.submit(asked)
        pieces = [asked.sink.get(timeout=20)]
        while not pieces[-1].is_last:
            pieces.append(asked.sink.get(timeout=20))

    assert ("".join(piece.text for piece in pieces), pieces[-1].finish_reason) == text_of(FORCED)


@pytest.mark.parametrize("capabilities", [ALL, CHUNKED], ids=["mixed", "chunked"])
def test_company_changes_neither_it_nor_them(capabilities: frozenset[str]) -> None:
    free = [ask(text, SamplingParams(40, seed=at, min_tokens=40)) for at, text in enumerate(["One", "Two", "Three"])]
    asked = [constrained(grammar) for grammar in (FORCED, DATE)]

    with running(capabilities=capabilities) as engine:
        for each in (free[0], asked[0], free[1], asked[1], free[2]):
            engine.submit(each)
        texts = [outputs_of(each)[0].text for each in asked]
        beside = [outputs_of(each)[0].text for each in free]

    assert texts == [text_of(grammar)[0] for grammar in (FORCED, DATE)]
    with running() as engine:
        assert beside == [
            generate(engine, text, SamplingParams(40, seed=at, min_tokens=40)).text
            for at, text in enumerate(["One", "Two", "Three"])
        ]


@pytest.mark.parametrize("num_decoded", [0, 3])
def test_what_a_decode_step_computed_is_not_taken_for_a_cached_prompt(num_decoded: int) -> None:
    source = f'root ::= [0-9]{{{num_decoded + 1}}} "quick brown fox jumps" [cd] "over"'
    asked = constrained(COMPILER.gbnf(source))

    with running() as engine:
        engine.submit(asked)
        (output,) = outputs_of(asked)
        again = request(Prompt(np.concatenate([encode("The river"), output.token_ids]), 0, SamplingParams(2)))
        engine.submit(again)
        (second,) = outputs_of(again)

    num_chunk = 0 if num_decoded else 1 + len(encode("quick brown fox jumps"))
    assert second.num_cached_tokens == len(encode("The river")) + num_chunk


class Failing(Constraint):
    """A constraint that cannot go on at the given call."""

    def __init__(self, working: Constraint, at: str) -> None:
        self.__dict__.update(working.__dict__)
        self.at = at

    def _fail(self, name: str) -> None:
        if self.at == name:
            raise ConstraintFailed("it has had enough")

    def allowed(self) -> NDArray[np.bool_]:
        self._fail("allowed")
        return super().allowed()

    def accept(self, token_id: int) -> None:
        self._fail("accept")
        super().accept(token_id)

    def forced(self) -> list[int]:
        self._fail("forced")
        return super().forced()

    def settle(self, token_id: int, remaining: int) -> int:
        self._fail("settle")
        return super().settle(token_id, remaining)


@pytest.mark.parametrize("at", ["allowed", "accept", "forced", "settle"])
def test_a_constraint_that_fails_ends_its_own_sequence_only(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = CompiledGrammar.start
    monkeypatch.setattr(CompiledGrammar, "start", lambda self: Failing(start(self), at))
    asked, beside = constrained(DATE), ask("One", SamplingParams(30, seed=1, min_tokens=30))

    with running() as engine:
        engine.submit(beside)
        engine.submit(asked)
        (failed,) = outputs_of(asked)
        (sound,) = outputs_of(beside)
        assert engine.num_queued == 0

    assert isinstance(failed.error, ConstraintFailed)
    assert (sound.error, len(sound.token_ids)) == (None, 30)
