"""A hostile tokenizer.json is refused when it is opened, or fails on a text alone, within a second and 200 MiB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jan_ort.models.tokenizer import TextTokenizer, TokenizerFailed
from jan_ort.models.tokenizer_growth import growth
from tests.hostile.bounded_child import BoundedChild
from tests.hostile.tokenizer_files import (
    BYTE_LEVEL,
    WORD_PIECE,
    added,
    model,
    normalizers,
    padding,
    replace,
    split,
    template,
    write,
)

BOMB = normalizers(*[replace("a", "aa")] * 30)
BYTE_LEVELS = {"type": "Sequence", "pretokenizers": [BYTE_LEVEL] * 20}
MANY = normalizers(*[{"type": "Lowercase"}] * 5000)
BAD_CHARSMAP = {"type": "Precompiled", "precompiled_charsmap": "/////wAAAAAAAA=="}
DECODERS = {"type": "Sequence", "decoders": [replace("a", "aa")] * 30}
DEEP = '{"model": ' + '{"normalizers": [' * 5000

REFUSED: dict[str, tuple[dict[str, Any] | str, str]] = {
    "normalizers that multiply": ({"normalizer": BOMB}, "its normalizer may make a text 1073741824 times as long"),
    "a long replacement": ({"normalizer": replace("a", "a" * 10**6)}, "'content' in its normalizer has 1000000"),
    "a long replacement by regex": (
        {"normalizer": normalizers(*[replace("", "a" * 200, "Regex")] * 3)},
        "its normalizer may make a text",
    ),
    "empty matches": ({"normalizer": normalizers(*[replace("(?=a)", "a", "Regex")] * 20)}, "may make a text"),
    "a long prefix": ({"normalizer": {"type": "Prepend", "prepend": "a" * 10**6}}, "'prepend' in its normalizer"),
    "byte levels": ({"pre_tokenizer": BYTE_LEVELS}, "its pre_tokenizer may make a text"),
    "byte levels as normalizers": ({"normalizer": normalizers(*[{"type": "ByteLevel"}] * 20)}, "its normalizer may"),
    "thousands of components": ({"normalizer": MANY}, "its normalizer has 5001 components"),
    "a broken charsmap": ({"normalizer": BAD_CHARSMAP}, "cannot be read as a tokenizer"),
    "decoders that multiply": ({"decoder": DECODERS}, "its decoder may make a text"),
    "an exploding regex": ({"pre_tokenizer": split("(a+)+$")}, "'a'"),
    "an exploding regex of another letter": ({"pre_tokenizer": split("(?:q|q)*w")}, "'q'"),
    "an exploding class": ({"pre_tokenizer": split(r"(?:\p{L}|\w)*$")}, "regular expression|fails on"),
    "a slow regex": ({"pre_tokenizer": split(r"(?:\s*\s*\s*\s*\s*)(?<=x)")}, "regular expression|fails on"),
    "an exploding normalizer": ({"normalizer": replace("(a|a)*b", "", "Regex")}, "regular expression|fails on"),
    "a regex without end": ({"pre_tokenizer": split("(a")}, "cannot be read as a tokenizer"),
    "a long regex": ({"pre_tokenizer": split("a" * 20_000)}, "'Regex' in its pre_tokenizer has 20000"),
    "a huge id": (model(vocab={"a": 2**32 - 1}), "a token of the id 4294967295"),
    "a large id": (model(vocab={"a": 2**26}), "a token of the id 67108864"),
    "an id that is none": (model(vocab={"a": -1}), "cannot be read as a tokenizer"),
    "an id of 40 digits": (model(vocab={"a": 10**40}), "cannot be read as a tokenizer"),
    "long words": ({"model": WORD_PIECE | {"max_input_chars_per_word": 10**9}}, "'max_input_chars_per_word'"),
    "a long suffix": (model(end_of_word_suffix="x" * 10**6), "'end_of_word_suffix' of its model has 1000000"),
    "a long subword prefix": (model(continuing_subword_prefix="x" * 10**6), "'continuing_subword_prefix' of its"),
    "marks around a text": ({"post_processor": template(10**4, 100)}, "puts 1000000 tokens around a text"),
    "a unigram without its unknown": (
        {"model": {"type": "Unigram", "unk_id": 70, "vocab": [["a", -1.0]]}},
        "cannot be read as a tokenizer",
    ),
    "nothing but depth": (DEEP, "cannot be read as a tokenizer"),
    "a list": ("[]", "cannot be read as a tokenizer"),
    "nothing": ("", "cannot be read as a tokenizer"),
    "another model": ({"model": {"type": "Magic"}}, "cannot be read as a tokenizer"),
    "merges of nothing": (model(merges=[["a", "zzz"]]), "cannot be read as a tokenizer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_tokenizer_is_refused_when_it_is_opened(name: str, child: BoundedChild, tmp_path: Path) -> None:
    parts, message = REFUSED[name]
    path = write(tmp_path / "tokenizer.json", parts)

    outcome = child.ask("tokenize", path=str(path), texts=["a" * 1000])

    outcome.check_bounds()
    assert outcome.error == "ModelFolderError", outcome
    assert str(path) in outcome.message
    assert len(outcome.message) < 1000
    assert any(each in outcome.message for each in message.split("|")), outcome.message


OPENED: dict[str, dict[str, Any]] = {
    "100,000 added tokens": {"added_tokens": added(100_000)},
    "100,000 normalised ones": {"added_tokens": added(100_000, normalized=True)},
    "long added tokens": {"added_tokens": added(100, content="<{}" + "x" * 10**4 + ">")},
    "a dozen emoticons": {"normalizer": normalizers(*[replace(f"({n})", f"<{n}>") for n in range(12)])},
    "white space": {
        "normalizer": normalizers({"type": "NFKC"}, replace(r"\s+", " ", "Regex"), replace(" {2,}", " ", "Regex"))
    },
    "a unigram of no unknown": {"model": {"type": "Unigram", "unk_id": None, "vocab": [["a", -1.0]]}},
    "a word piece of no unknown": {"model": WORD_PIECE | {"unk_token": "[NONE]", "max_input_chars_per_word": 100}},
    "padding of a fixed length": {"padding": padding({"Fixed": 10**8}), "pre_tokenizer": split(r"\s+")},
    "padding to a multiple": {"padding": padding("BatchLongest", 2**40), "pre_tokenizer": split(r"\s+")},
    "a strip of everything": {"decoder": {"type": "Strip", "content": "a", "start": 2**32, "stop": 2**32}},
}


@pytest.mark.parametrize("name", OPENED)
def test_what_models_may_have_is_opened_and_fails_on_a_text_alone(
    name: str, child: BoundedChild, tmp_path: Path
) -> None:
    path = write(tmp_path / "tokenizer.json", OPENED[name])

    outcome = child.ask("tokenize", path=str(path), texts=["a" * 1000, "b\u00e9\U0001f600 c"])

    outcome.check_bounds()
    assert outcome.error in ("", "TokenizerFailed"), outcome


def test_a_panic_is_an_error_of_the_text(tmp_path: Path) -> None:
    secret = "(?:\ue000|\ue000)*\ue001"  # which no probe finds: characters of a private area
    tokenizer = TextTokenizer(write(tmp_path / "tokenizer.json", {"pre_tokenizer": split(secret)}))

    with pytest.raises(TokenizerFailed, match="retry-limit-in-match over; send another, or use another model"):
        tokenizer.encode("\ue000" * 64 + "!\ue001")

    assert len(tokenizer.encode("abc")) == 3


def test_a_text_that_may_become_too_long_is_refused_before_it_does(tmp_path: Path) -> None:
    grows = normalizers(*[replace("a", "aa")] * 8)
    tokenizer = TextTokenizer(write(tmp_path / "tokenizer.json", {"normalizer": grows}))

    assert len(tokenizer.encode("a" * 10)) == 2560
    with pytest.raises(TokenizerFailed, match="may make 20000 characters 256 times as many"):
        tokenizer.encode("a" * 20_000)


@pytest.mark.parametrize(
    ("component", "factor"),
    [
        ({"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}, 1),
        ({"type": "Replace", "pattern": {"String": "aa"}, "content": "bbb"}, 1.5),
        ({"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}, 1),
        ({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "xy"}, 2),
        ({"type": "Replace", "pattern": {"Regex": "x*"}, "content": "y"}, 2),
        ({"type": "Replace", "pattern": {"Regex": r"(?<=a)"}, "content": "yy"}, 3),
        ({"type": "NFKC"}, 18),
        (None, 1),
    ],
)
def test_growth_is_what_a_component_can_do_at_most(component: dict[str, Any] | None, factor: float) -> None:
    assert growth(component) == factor
