"""The tokens as the matcher sees them: special ones, ends of text, and texts that the tokenizer spells differently."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.structured.compiler import GrammarCompiler
from jan_ort.structured.vocabulary import GrammarVocabulary
from jan_ort_backends import reference_tokenizer as reference
from tests.structured.walking import Model

PATH = reference.FOLDER / "tokenizer.json"


def test_a_model_without_an_end_of_text_is_only_offered_text() -> None:
    compiler = GrammarCompiler(GrammarVocabulary(TextTokenizer(PATH), (), reference.VOCAB_SIZE))
    constraint = compiler.gbnf('root ::= "a"?').start()

    assert np.flatnonzero(constraint.allowed()).tolist() == [ord("a")]
    constraint.accept(ord("a"))
    assert constraint.is_complete
    assert not constraint.allowed().any()


def test_logits_narrower_than_the_tokenizer_are_masked_as_far_as_they_go() -> None:
    compiler = GrammarCompiler(GrammarVocabulary(TextTokenizer(PATH), (reference.EOS_TOKEN_ID,), 300))

    allowed = compiler.gbnf("root ::= [a-z]+").start().allowed()

    assert allowed.shape == (300,)
    assert allowed[ord("a")]


def test_forced_tokens_hold_no_beginning_of_text() -> None:
    tokenizer = TextTokenizer(PATH, bos_token_id=reference.BOS_TOKEN_ID, add_bos=True)
    compiler = GrammarCompiler(GrammarVocabulary(tokenizer, (reference.EOS_TOKEN_ID,), reference.VOCAB_SIZE))
    constraint = compiler.gbnf('root ::= "x" "and then the end" "."?').start()
    constraint.accept(ord("x"))

    forced = constraint.forced()

    assert reference.BOS_TOKEN_ID not in forced
    assert "and then the end".startswith(tokenizer.decode(forced))


def test_tokens_are_found_by_their_characters() -> None:
    vocabulary = GrammarVocabulary(TextTokenizer(PATH), (), reference.VOCAB_SIZE)

    assert vocabulary.tokens_of_only(b"}]") == [b"]", b"}"]
    assert vocabulary.ids_of([b"}", b"no such token", b'"']) == [ord("}"), ord('"')]


def _spelled(model: Model, text: str) -> str:
    """Return what a grammar of this text alone gives, in forced tokens and in those that are left."""
    constraint = model.compiler.lark(f"start: {json.dumps(text)}\n").start()
    token_ids: list[int] = []
    while not constraint.is_complete:
        following = constraint.forced() or [int(np.flatnonzero(constraint.allowed())[0])]
        for token_id in following:
            constraint.accept(token_id)
        token_ids += following
    return model.tokenizer.decode(token_ids)


@pytest.mark.parametrize("text", ["<fim_prefix>", "a<fim_prefix>b", "<fim_prefix><fim_suffix>", "<fim_<fim_prefix>"])
def test_the_name_of_a_control_token_is_spelled_with_other_tokens(text: str, model: Model) -> None:
    assert _spelled(model, text) == text


@pytest.mark.weights
@pytest.mark.parametrize("text", ["<|im_end|>", "<|im_start|>system", "ends <|endoftext|> here", "</s>", "<eos>"])
def test_the_name_of_an_end_of_text_is_spelled_with_other_tokens(text: str, smollm2: Model) -> None:
    assert _spelled(smollm2, text) == text
