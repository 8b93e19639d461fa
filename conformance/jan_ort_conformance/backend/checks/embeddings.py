"""Embeddings: one vector per text, in the order of the texts, whatever their lengths and company."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import BadInput, Capability, ContextOverflow, SlotTokens
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_error, expect_rows_differ, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import MAX_EMBEDDING_TOKEN_ID, NUM_SLOTS, SEED, Fixture
from jan_ort_conformance.verdicts.verdict import Level, expect

EMBED = Capability.EMBED
LONG_TEXTS = (129, 257, 513)
"""One token more than a limit that cuts in silence is likely to be; longer ones cost a large model too much."""


def _texts(fixture: Fixture, *lengths: int) -> list[NDArray[np.int64]]:
    """Return random texts of these lengths, 0 standing for the whole context."""
    generator = np.random.default_rng(SEED)
    size = fixture.session.info.context_length
    return [generator.integers(1, MAX_EMBEDDING_TOKEN_ID, min(length or size, size)) for length in lengths]


def _difference(vector: NDArray[np.float32], alone: NDArray[np.float32]) -> float:
    """Return the largest difference of two entries as a fraction of the length of the vector alone."""
    length = float(np.linalg.norm(alone.astype(np.float64)))
    return float(np.abs(vector.astype(np.float64) - alone).max()) / (length or 1.0)


@check("embeddings.form", EMBED)
def form(fixture: Fixture) -> None:
    """Vectors are finite float32 of shape (len(batch), embedding_size), also for no texts at all."""
    size = fixture.session.info.embedding_size
    for lengths in ((7,), (3, 9, 1), ()):
        vectors = fixture.session.embed(_texts(fixture, *lengths))
        expect(isinstance(vectors, np.ndarray) and vectors.dtype == np.float32, f"embed returned {type(vectors)}")
        expect(vectors.shape == (len(lengths), size), f"{len(lengths)} texts have the shape {vectors.shape}")
        expect(np.isfinite(vectors).all(), "a vector is not finite")


@check("embeddings.equal_alone", EMBED)
def equal_alone(fixture: Fixture) -> str:
    """Texts of different lengths in one batch have the vectors that each has alone, in the same order."""
    texts = _texts(fixture, 9, 1, 4, 0, 2, 30, 9)
    together = fixture.session.embed(texts)
    alone = np.concatenate([fixture.session.embed([text]) for text in texts])
    expect(together.shape == alone.shape, f"the shapes are {together.shape} and {alone.shape}")
    difference = max(map(_difference, together, alone))
    told = f"a vector differs by {difference:.2g} of its length from the text's alone"
    expect(difference <= fixture.tolerances.vectors, told)
    return f"largest difference {difference:.2g} of a vector's length"


@check("embeddings.many_texts", EMBED, level=Level.FULL)
def many_texts(fixture: Fixture) -> None:
    """A batch of 70 texts, which no backend may cut or reorder, has each text's own vector."""
    texts = _texts(fixture, *(1 + index % 13 for index in range(70)))
    together = fixture.session.embed(texts)
    expect(len(together) == len(texts), f"{len(texts)} texts have {len(together)} vectors")
    for index in (0, 12, 31, 32, 63, 64, 69):
        difference = _difference(together[index], fixture.session.embed([texts[index]])[0])
        told = f"text {index} of 70 differs by {difference:.2g} of its vector's length from itself alone"
        expect(difference <= fixture.tolerances.vectors, told)


@check("embeddings.follow_from_the_tokens", EMBED)
def follow_from_the_tokens(fixture: Fixture) -> None:
    """The same text has the same vector to the bit, other tokens and another order of tokens have others."""
    text = _texts(fixture, 8)[0]
    first = fixture.session.embed([text])
    expect_rows_equal(fixture.session.embed([text.copy()]), first, 0.0, "one text twice")
    expect_rows_differ(fixture.session.embed([text[::-1].copy()]), first, "a text and its reverse")
    expect_rows_differ(fixture.session.embed([text % (MAX_EMBEDDING_TOKEN_ID - 1) + 1]), first, "two texts")


@check("embeddings.unit_length", EMBED, level=Level.STRICT)
def unit_length(fixture: Fixture) -> None:
    """Vectors have length 1, as clients of the API that compare by dot product expect."""
    lengths = np.linalg.norm(fixture.session.embed(_texts(fixture, 9, 1, 0)), axis=1)
    expect(np.allclose(lengths, 1.0, rtol=0, atol=1e-3), f"the vectors' lengths are {lengths}")


@check("embeddings.refuse_wrong_tokens", EMBED)
def refuse_wrong_tokens(fixture: Fixture) -> None:
    """An empty text, and a token id outside the vocabulary, raise BadInput."""
    good = _texts(fixture, 3)[0]
    for what, ids in (("an empty text", []), ("token id -1", [-1]), ("token id 2^31 - 1", [2**31 - 1])):
        batch = [good, np.array(ids, np.int64)]
        expect_error(BadInput, lambda batch=batch: fixture.session.embed(batch), what)  # type: ignore[misc]
    expect(len(fixture.session.embed([good])) == 1, "after refusals, a good text has no vector")


@check("embeddings.refuse_long_texts", EMBED)
def refuse_long_texts(fixture: Fixture) -> None:
    """A text of the whole context has a vector; one token more raises ContextOverflow with the row and the numbers."""
    size = fixture.session.info.context_length
    whole = _texts(fixture, 0)[0]
    expect(len(fixture.session.embed([whole])) == 1, "a text of the whole context has no vector")
    too_long = np.append(whole, 1)
    error = expect_error(ContextOverflow, lambda: fixture.session.embed([whole[:1], too_long]), "one token too many")
    numbers = (error.slot, error.num_tokens, error.context_length)
    expect(numbers == (1, size + 1, size), f"slot (the row), num_tokens and context_length are {numbers}")


@check("embeddings.leave_the_slots_alone", EMBED, Capability.GENERATE)
def leave_the_slots_alone(fixture: Fixture) -> None:
    """Embedding short and long texts between the steps of sequences touches no slot."""
    writer, slots = fixture.writer, range(min(fixture.session.info.num_slots, NUM_SLOTS))
    writer.step([SlotTokens(slot, writer.turned(7 * slot)[:10]) for slot in slots])
    more = [SlotTokens(slot, writer.turned(7 * slot)[10:12]) for slot in slots]
    expected = writer.step(more)
    for lengths in ((3,), (20, 1, 2), (0, 9)):
        for slot in slots:
            fixture.session.truncate(slot, 10)
        fixture.session.embed(_texts(fixture, *lengths))
        expect(set(writer.lengths()) == {10}, f"after embed the slots hold {writer.lengths()} tokens, and held 10")
        continued = writer.step(more)
        for slot in slots:
            expect_rows_equal(continued[slot], expected[slot], fixture.tolerances.same_kind, f"slot {slot} after embed")


@check("embeddings.read_to_the_end", EMBED, level=Level.FULL)
def read_to_the_end(fixture: Fixture) -> None:
    """Long texts that differ in their last token alone differ, up to 513 tokens or the length of the context."""
    session = fixture.open(num_slots=1, context_length=None).session
    size = min(session.info.context_length, LONG_TEXTS[-1])
    for length in sorted({size, *(each for each in LONG_TEXTS if each <= size)}):
        text = np.random.default_rng(SEED).integers(1, MAX_EMBEDDING_TOKEN_ID, length)
        near = text.copy()
        near[-1] = near[-1] % (MAX_EMBEDDING_TOKEN_ID - 1) + 1
        vectors = session.embed([text, near])
        expect_rows_differ(vectors[0], vectors[1], f"two texts of {length} tokens that differ in the last")
