"""What is said of a text before it is tokenized, against the library's own tokens, for every part that is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from jan_ort.models.byte_alphabet import byte_alphabet
from jan_ort.models.token_bounds import TokenBounds
from jan_ort.models.tokenizer import TextTokenizer, TextTooLong
from jan_ort_backends.reference_tokenizer import FOLDER

ODD = (
    "aAbé e\u0301ấấᾂ\u0390İß中ﬁ①Å\u1e9b\u0323¨\ufdfa가각\u1100\u1161\u11a8\u0600 "
    "\u200d\u200b\x00\x04\x1d\n\t\u2003\u3000😀🇩🇪👨‍👩‍👧.,;!?[]▁##"
)
texts = st.one_of(
    st.text(st.sampled_from(ODD), max_size=60),
    st.text(max_size=40),
    st.builds(lambda piece, num: piece * num, st.text(st.sampled_from(ODD), max_size=8), st.integers(0, 60)),
)

BYTES = {spelled: at for at, spelled in enumerate(byte_alphabet())}
BYTES |= {pair: len(BYTES) + at for at, pair in enumerate(["Ġa", "aa", "Ã©", "ĠĠ", "ĠĠĠĠ"])}
MERGES = [("Ġ", "a"), ("a", "a"), ("Ã", "©"), ("Ġ", "Ġ"), ("ĠĠ", "ĠĠ")]
FALLBACK = {f"<0x{byte:02X}>": byte for byte in range(256)} | {"▁": 256, "a": 257, "▁a": 258, "aa": 259, "<unk>": 260}


def spelled(text: str) -> str:
    stand_ins = {byte: stand_in for stand_in, byte in byte_alphabet().items()}
    return "".join(stand_ins[byte] for byte in text.encode())


def byte_level(
    normalizer: Any = None,
    *before: Any,
    without: str = "",
    added: Sequence[AddedToken] = (),
    behavior: str = "isolated",
) -> Tokenizer:
    vocab = {token: at for token, at in BYTES.items() if token not in without}
    tokenizer = Tokenizer(models.BPE(vocab, MERGES))
    split = pre_tokenizers.Split(Regex(r"\s+"), behavior)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, *before, pre_tokenizers.ByteLevel(use_regex=False)])
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.add_tokens(list(added))
    return tokenizer


def sentencepiece(normalizer: Any, *, pre_tokenizer: Any = None) -> Tokenizer:
    merges = [("▁", "a"), ("a", "a")]
    tokenizer = Tokenizer(models.BPE(FALLBACK, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    return tokenizer


def unknown_alone() -> Tokenizer:
    return Tokenizer(models.BPE({"a": 0, "aa": 1, "<unk>": 2}, [("a", "a")], unk_token="<unk>", fuse_unk=False))


MARK = AddedToken("<mark>", normalized=False)
LLAMA = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
BOUNDED: dict[str, Tokenizer] = {
    "gpt2": byte_level(),
    "no control characters": byte_level(without="ĀĄĝ"),
    "qwen2": byte_level(normalizers.NFC()),
    "nfkc": byte_level(normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])),
    "nfd": byte_level(normalizers.Sequence([normalizers.NFD(), normalizers.NFC()])),
    "nfkd": byte_level(normalizers.NFKD()),
    "replaced": byte_level(normalizers.Replace("aaa", "b")),
    "kept splits": byte_level(None, pre_tokenizers.Digits(), pre_tokenizers.Punctuation(), behavior="merged_with_next"),
    "added": byte_level(normalizers.NFC(), added=[MARK, AddedToken("e\u0301e\u0301", normalized=True)]),
    "spaces around": byte_level(added=[AddedToken("<mark>", rstrip=True), AddedToken("b", lstrip=True)]),
    "byte-level normalizer": byte_level(normalizers.ByteLevel()),
    "llama": sentencepiece(LLAMA),
    "metaspace": sentencepiece(normalizers.NFC(), pre_tokenizer=pre_tokenizers.Metaspace()),
    "each unknown character alone": unknown_alone(),
}


def bounds_of(tokenizer: Tokenizer) -> TokenBounds:
    added = list(tokenizer.get_added_tokens_decoder().values())
    return TokenBounds(tokenizer, tokenizer.get_vocab(with_added_tokens=True), added)


@pytest.mark.parametrize("name", BOUNDED)
@settings(max_examples=80, deadline=None)
@given(text=st.one_of(texts, texts.map(lambda text: f"<mark>{text}<mark>   {text}")))
def test_a_text_never_has_fewer_tokens_than_is_said(name: str, text: str) -> None:
    tokenizer = BOUNDED[name]

    assert bounds_of(tokenizer).at_least(text) <= len(tokenizer.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize("name", BOUNDED)
def test_much_is_said_of_a_long_text(name: str) -> None:
    bounds = bounds_of(BOUNDED[name])

    assert bounds.at_least("a b " * 100_000) >= 5_000
    assert bounds.is_quick == (name != "spaces around")


def bpe(**options: Any) -> Tokenizer:
    return Tokenizer(models.BPE(**({"vocab": {"a": 0, "<unk>": 1}, "merges": []} | options)))


def with_normalizer(normalizer: Any) -> Tokenizer:
    return byte_level(normalizer)


WORD_PIECE = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
UNBOUNDED: dict[str, tuple[Tokenizer, str]] = {
    "word piece": (WORD_PIECE, "x" * 1000),
    "unknown ones share one": (bpe(unk_token="<unk>", fuse_unk=True), "x" * 1000),
    "unknown ones are left out": (bpe(), "x" * 1000),
    "some bytes are left out": (byte_level(without=spelled("ก")), "ก" * 1000),
    "strip": (with_normalizer(normalizers.Strip()), " " * 1000),
    "nmt": (with_normalizer(normalizers.Nmt()), "\x01" * 1000),
    "strip accents": (with_normalizer(normalizers.StripAccents()), "\u0301" * 1000),
    "bert": (with_normalizer(normalizers.BertNormalizer()), "\x01" * 1000),
    "a pattern": (with_normalizer(normalizers.Replace(Regex(" +"), " ")), " " * 1000),
    "nothing in its place": (with_normalizer(normalizers.Replace("x", "")), "x" * 1000),
    "what vanishes in its place": (byte_level(normalizers.Replace("x", "\x04"), without="Ą"), "x" * 1000),
    "in a row": (with_normalizer(normalizers.Sequence([normalizers.NFC(), normalizers.Strip()])), " " * 1000),
    "removed": (byte_level(behavior="removed"), " " * 1000),
    "whitespace": (byte_level(None, pre_tokenizers.WhitespaceSplit()), " " * 1000),
    "delimiter": (byte_level(None, pre_tokenizers.CharDelimiterSplit("x")), "x" * 1000),
}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_nothing_is_said_where_any_number_of_characters_may_vanish(name: str) -> None:
    tokenizer, text = UNBOUNDED[name]

    assert bounds_of(tokenizer).at_least(text) == 0
    assert len(tokenizer.encode(text).ids) <= 1000 // 8, "so much is not to be refused"


def test_characters_that_vanish_do_not_count() -> None:
    bounds = bounds_of(BOUNDED["no control characters"])

    assert bounds.at_least("\x04" * 1000) == 0
    assert bounds_of(BOUNDED["spaces around"]).at_least("<mark>" + " " * 1000) <= 1


def composed(normalizer: Any) -> Tokenizer:
    tokenizer = bpe(vocab={"\u1f82": 0, "u": 1}, unk_token="u", fuse_unk=False)
    tokenizer.normalizer = normalizer
    return tokenizer


def replacing(text: str) -> Tokenizer:
    tokenizer = bpe(vocab={"b": 0, "u": 1}, unk_token="u", fuse_unk=False)
    tokenizer.normalizer = normalizers.Replace(text, "b")
    return tokenizer


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [
        (composed(normalizers.NFC()), "\u03b1\u0313\u0300\u0345"),
        (composed(normalizers.NFKC()), "\u03b1\u0313\u0300\u0345"),
        (replacing("aaaa"), "aaaa"),
        (replacing("aaaaa"), "aaaaa"),
    ],
)
def test_the_densest_text_is_not_said_to_have_more_tokens_than_it_has(tokenizer: Tokenizer, text: str) -> None:
    num_tokens = len(tokenizer.encode(text * 1000).ids)

    assert num_tokens == 1000
    assert 0 < bounds_of(tokenizer).at_least(text * 1000) <= num_tokens


def test_a_text_that_cannot_fit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = TextTokenizer(FOLDER / "tokenizer.json")
    monkeypatch.setattr(tokenizer, "_tokenizer", None)

    for check in (tokenizer.check_unread, tokenizer.check_fits):
        with pytest.raises(TextTooLong, match=r"at least \d{4,} tokens, but only 512 are allowed"):
            check("word " * 1_000_000, 512)
