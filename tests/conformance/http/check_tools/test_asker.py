"""Readers of the answers: the bytes of a token, however the server spells them."""

from __future__ import annotations

import pytest

from jan_ort_conformance.http.check_tools.answers import bytes_of, readings, token_bytes


@pytest.mark.parametrize(
    ("token", "spelled"),
    [
        (" there", b" there"),
        ("é", "é".encode()),
        ("bytes:\\xcd", b"\xcd"),
        ("bytes:\\xe2\\x80", b"\xe2\x80"),
        ("bytes:", b"bytes:"),
        ("bytes:\\x", b"bytes:\\x"),
        ("", b""),
    ],
)
def test_a_token_of_completions_is_read_as_its_bytes(token: str, spelled: bytes) -> None:
    assert token_bytes(token) == spelled


def test_half_characters_together_are_the_text() -> None:
    tokens = ["caf", "bytes:\\xc3", "bytes:\\xa9", "!"]

    assert readings(map(token_bytes, tokens)) == {"café!"}


def test_special_tokens_may_be_left_out_of_the_text() -> None:
    tokens = [b"a <b>", b"<|im_end|>", b"<s>", b"c", b"[EOS]"]

    assert readings(tokens) == {"a <b><|im_end|><s>c[EOS]", "a <b>c"}


def test_half_characters_of_a_chat_are_told_apart_by_their_bytes() -> None:
    content = [{"token": "\ufffd", "bytes": [195]}, {"token": "\ufffd", "bytes": [169]}, {"token": "x", "bytes": None}]

    assert bytes_of({"content": content}) == [b"\xc3", b"\xa9", b"x"]
