"""Names of control tokens as plain text: every id around them stays, and they become no control token."""

from __future__ import annotations

import random

import pytest
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE, Unigram
from tokenizers.pre_tokenizers import Metaspace

from jan_ort.models.control_tokens import ControlTokens, MarkedText
from jan_ort_backends.reference_tokenizer import FOLDER

LETTERS = "abcdefghijklmnopqrstuvwxyz<>|[] _/"
TEXTS = ("a", " <tool> ", "a<b> c", "inst", "\n\n x ", "im_start", "<", "|>")
NAMES = ("<s>", "</s>", "[INST]", "<|im_start|>", "<|im_end|>")


def byte_pairs() -> Tokenizer:
    return Tokenizer.from_file(str(FOLDER / "tokenizer.json"))


def whole_words() -> Tokenizer:
    """Return one that makes one token of a name by itself, as it does of every word of its vocabulary."""
    words = [*LETTERS, *NAMES]
    return Tokenizer(BPE({word: at for at, word in enumerate(words)}, [], ignore_merges=True))


def pieces() -> Tokenizer:
    """Return one of SentencePiece's kind, in whose vocabulary names are the likeliest pieces."""
    likely = [(name, 0.0) for name in ("<unk>", *NAMES, "\u2581")]
    tokenizer = Tokenizer(Unigram([*likely, *((letter, -4.0) for letter in LETTERS)], 0))
    tokenizer.pre_tokenizer = Metaspace()
    return tokenizer


@pytest.fixture(params=[byte_pairs, whole_words, pieces])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    tokenizer: Tokenizer = request.param()
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, lstrip=name == "[INST]") for name in NAMES])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    return tokenizer


def special(tokenizer: Tokenizer) -> dict[str, int]:
    added = tokenizer.get_added_tokens_decoder().items()
    # Of characters that a small vocabulary does not know, all become the unknown one.
    return {token.content: each for each, token in added if token.special and "unk" not in token.content.lower()}


def samples(tokenizer: Tokenizer) -> list[str]:
    rng, names = random.Random(16), list(special(tokenizer))
    return ["".join(rng.choice([*names, rng.choice(TEXTS)]) for _ in range(4)) for _ in range(60)]


def test_a_text_without_stand_ins_has_its_ids(tokenizer: Tokenizer) -> None:
    controls = ControlTokens(tokenizer, tokenizer.get_added_tokens_decoder().values())

    for text in samples(tokenizer):
        expected = tokenizer.encode(text, add_special_tokens=False).ids
        assert controls.encode(MarkedText(text, controls.stand_ins([text]))) == expected


def test_a_marked_text_has_no_control_token(tokenizer: Tokenizer) -> None:
    controls = ControlTokens(tokenizer, tokenizer.get_added_tokens_decoder().values())
    ids = set(special(tokenizer).values())

    for text in samples(tokenizer):
        marked = MarkedText(controls.marked(text, controls.stand_ins([text])), controls.stand_ins([text]))
        assert marked.plain == text
        assert ids.isdisjoint(controls.encode(marked))


def small(*names: str | AddedToken) -> ControlTokens:
    letters = {letter: at for at, letter in enumerate("abcdefghijklmnopqrstuvwxyz<>|[] _")}
    tokenizer = Tokenizer(BPE(letters, []))
    tokenizer.add_special_tokens(list(names))
    return ControlTokens(tokenizer, tokenizer.get_added_tokens_decoder().values())


def marked(controls: ControlTokens, text: str) -> str:
    return controls.marked(text, dict.fromkeys("<[b", "~"))


def test_names_within_names_are_marked_each() -> None:
    controls = small("<a<b>", "<b>c", "<b>cd", "[x]")

    assert marked(controls, "<a<b>cd [x] [y] <") == "~a~b>cd ~x] [y] <"
    assert [controls.are_in(text) for text in ("<a<b", "<b>", "[x]")] == [False, False, True]


def test_names_are_found_across_the_pieces_of_a_long_text() -> None:
    controls = small("<name>")

    for length in range(2**16 - 7, 2**16 + 2):
        assert marked(controls, "a" * length + "<name>") == "a" * length + "~name>"


def test_a_token_that_is_not_special_stays_one() -> None:
    tokenizer = Tokenizer(BPE({"a": 0, "<": 1, ">": 2}, []))
    tokenizer.add_special_tokens(["<a>"])
    tokenizer.add_tokens(["<tool>"])
    controls = ControlTokens(tokenizer, tokenizer.get_added_tokens_decoder().values())

    text = MarkedText(controls.marked("<tool><a>", {"<": "~"}), {"<": "~"})

    assert controls.encode(text) == [4, 1, 0, 2]


def test_a_name_that_is_guessed_is_none() -> None:
    controls = small("<name>")
    inner = controls._told.renamed("<name>")
    others = small("<name>")

    assert inner != others._told.renamed("<name>")
    assert len(inner) == 12


def test_a_stand_in_is_in_no_text() -> None:
    controls = small("<a>", "[b]")
    taken = "".join(map(chr, range(0x20000, 0x20010)))

    assert list(controls.stand_ins([taken])) == ["<", "["]
    assert not set(controls.stand_ins([taken]).values()) & set(taken)


def test_very_many_names_that_begin_with_one_another_are_found() -> None:
    controls = small(*("a" * length for length in range(2, 2000)), *(f"{chr(0x4E00 + at)}>" for at in range(200)))

    assert [controls.are_in(text) for text in ("a", "baab", "\u4e00>", "\u4e00")] == [False, True, True, False]


def test_a_model_without_control_tokens_has_none_to_mark() -> None:
    controls = small()

    assert not controls.are_in("<a>")
    assert controls.encode(MarkedText("ab", {})) == [0, 1]
