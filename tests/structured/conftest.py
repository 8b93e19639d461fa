"""The compilers that constraints are tested with: for the reference model's vocabulary, and for the real SmolLM2's."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.structured.compiler import GrammarCompiler
from jan_ort.structured.grammar_pool import GrammarPool
from jan_ort.structured.vocabulary import GrammarVocabulary
from jan_ort_backends import reference_tokenizer as reference
from tests.structured.walking import Model

SMOLLM2_VOCAB_SIZE = 49152
SMOLLM2_EOS = (0, 2)


@pytest.fixture(scope="session")
def model() -> Model:
    """The reference model's 512 tokens, in logits of 520: the last eight are no tokens."""
    tokenizer = TextTokenizer(reference.FOLDER / "tokenizer.json")
    eos = (reference.BOS_TOKEN_ID, reference.EOS_TOKEN_ID)
    return Model(tokenizer, GrammarCompiler(GrammarVocabulary(tokenizer, eos, reference.VOCAB_SIZE + 8)), eos)


@pytest.fixture
def grammars(model: Model) -> GrammarPool:
    """The compiler's threads, with nothing compiled yet."""
    return GrammarPool(model.compiler)


@pytest.fixture(scope="session")
def smollm2(smollm2_folder: Path) -> Model:
    """SmolLM2's 49,152 tokens."""
    tokenizer = TextTokenizer(smollm2_folder / "tokenizer.json")
    vocabulary = GrammarVocabulary(tokenizer, SMOLLM2_EOS, SMOLLM2_VOCAB_SIZE)
    return Model(tokenizer, GrammarCompiler(vocabulary), SMOLLM2_EOS)
