"""Texts drawn at random under a constraint, in the way in which the engine uses it."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.structured.compiler import CompiledGrammar, GrammarCompiler
from jan_ort.structured.constraint import Constraint


@dataclass(frozen=True)
class Model:
    """A tokenizer, the compiler for it, and the ids that end a text."""

    tokenizer: TextTokenizer
    compiler: GrammarCompiler
    eos_token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Walk:
    """The tokens of one text, the text, and its constraint afterwards."""

    token_ids: list[int]
    text: str
    constraint: Constraint


def walk(model: Model, grammar: CompiledGrammar, rng: random.Random, max_tokens: int) -> Walk:
    """Draw allowed tokens, all alike, until the text ends or the tokens are used up."""
    constraint = grammar.start()
    token_ids: list[int] = []
    while len(token_ids) < max_tokens and not constraint.is_complete:
        drawn = int(rng.choice(np.flatnonzero(constraint.allowed())))
        token_id = constraint.settle(drawn, max_tokens - len(token_ids))
        constraint.accept(token_id)
        if token_id in model.eos_token_ids:
            break
        token_ids.append(token_id)
    return Walk(token_ids, model.tokenizer.decode(token_ids), constraint)


def read(model: Model, constraint: Constraint, text: str) -> bool:
    """Move on over ``text``; return whether the constraint allowed every token of it."""
    for token_id in model.tokenizer.encode(text).tolist():
        if not constraint.allowed()[token_id]:
            return False
        constraint.accept(token_id)
    return True
