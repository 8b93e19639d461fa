"""Vectors in full: as exact as float32, of long texts and of many."""

from __future__ import annotations

import base64
import math
import struct

from jan_ort_conformance.http.check_tools.asker import EMBEDDINGS, Asker, Refused
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.checks.models_tokens_embeddings import near, vectors_of
from jan_ort_conformance.verdicts.verdict import Level, expect

NUM_TEXTS = 100
LONG = "The quick brown fox jumps over the lazy dog. " * 600
"""More words than the context of most models of embeddings."""
PAIRS = (("a cat", "a cat."), ("The price is 10 euros", "The price is 11 euros"), ("not good", "good not"))


def _vectors_or_refused(server: Asker, texts: str | list[str]) -> list[list[float]] | None:
    """Return the vectors, None where the texts are refused by a 4xx. Raises: Refused, by what is no refusal."""
    try:
        return vectors_of(server, texts)
    except Refused as refusal:
        if refusal.answer.status >= 500:
            raise
        return None


def _is_half(number: float) -> bool:
    return bool(struct.unpack("<e", struct.pack("<e", number))[0] == number)


@check("embeddings.base64_is_exact", needs=[f"{EMBEDDINGS} encoding_format"])
def base64_is_exact(server: Asker) -> None:
    """base64 holds each number to the last bits of a float32, and no fewer."""
    numbers, letters = (vectors_of(server, "a cat", encoding_format=form)[0] for form in ("float", "base64"))
    raw = base64.b64decode(str(letters))
    expect(len(raw) == 4 * len(numbers), f"{len(numbers)} numbers are {len(raw)} bytes, not four each")
    for index, (number, given) in enumerate(zip(numbers, struct.unpack(f"<{len(numbers)}f", raw), strict=True)):
        same = math.isclose(number, given, rel_tol=1e-5, abs_tol=1e-7)
        expect(same, f"number {index} of the vector is {number!r}, and in base64 {given!r}")


@check("embeddings.are_of_single_precision", level=Level.STRICT, needs=[EMBEDDINGS])
def are_of_single_precision(server: Asker) -> None:
    """The numbers of a vector are not all those that a float16 can hold."""
    numbers = vectors_of(server, "a cat")[0]
    halves = sum(map(_is_half, numbers))
    expect(halves < len(numbers) / 2, f"{halves} of {len(numbers)} numbers are those of a float16: {numbers[:4]}")


@check("embeddings.tell_near_texts_apart", needs=[EMBEDDINGS])
def tell_near_texts_apart(server: Asker) -> None:
    """Texts that differ in a digit, a full stop or the order of two words have two vectors."""
    for one, other in PAIRS:
        first, second = (vectors_of(server, text)[0] for text in (one, other))
        expect(first != second, f"{one!r} and {other!r} have one vector")


@check("embeddings.long_texts_are_not_cut", needs=[EMBEDDINGS])
def long_texts_are_not_cut(server: Asker) -> None:
    """A text of 5,400 words is read to its end, or refused; two that differ at their ends have two vectors."""
    vectors = [_vectors_or_refused(server, LONG + end) for end in ("It was a cat.", "12345 67890")]
    if None in vectors:
        return
    expect(vectors[0] != vectors[1], f"texts of {len(LONG.split())} words that end in two ways have one vector")


@check("embeddings.may_be_many", needs=[EMBEDDINGS])
def may_be_many(server: Asker) -> None:
    """A hundred texts have a hundred vectors in their order, or are refused."""
    words = ("a cat", "12345 67890", "deep")
    alone = [vectors_of(server, each)[0] for each in words]
    many = _vectors_or_refused(server, [words[index % 3] for index in range(NUM_TEXTS)])
    if many is None:
        return
    expect(len(many) == NUM_TEXTS, f"{NUM_TEXTS} texts have {len(many)} vectors")
    for index, vector in enumerate(many):
        expect(near(vector, alone[index % 3]), f"the vector at index {index} of {NUM_TEXTS} is not that of its text")


@check("embeddings.of_large_batches_keep_their_order", needs=[EMBEDDINGS])
def of_large_batches_keep_their_order(server: Asker) -> None:
    """Texts of many lengths, thousands of letters in all, have each its own vector, or are refused."""
    texts = [f"Text {index}: " + "deep water " * (index * 11 % 23) for index in range(24)]
    many = _vectors_or_refused(server, texts)
    if many is None:
        return
    for index in range(0, len(texts), 5):
        alone = vectors_of(server, texts[index])[0]
        expect(near(many[index], alone), f"the vector at index {index} of {len(texts)} is not that of its text")
