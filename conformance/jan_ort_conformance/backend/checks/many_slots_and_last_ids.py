"""Ends of what a session counts: slots beyond the eighth, the last token id, texts that are nearly equal."""

from __future__ import annotations

import numpy as np

from jan_ort_backends import Capability, SlotTokens
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_rows_differ, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import MAX_EMBEDDING_TOKEN_ID, SEED, Fixture
from jan_ort_conformance.verdicts.verdict import Level, expect

NUM_SLOTS = 12


@check("slots.may_be_more_than_eight", Capability.GENERATE, level=Level.FULL)
def may_be_more_than_eight(fixture: Fixture) -> None:
    """Twelve slots of different texts, written and decoded together, continue as each does alone."""
    writer, single = fixture.open(num_slots=NUM_SLOTS), fixture.open(num_slots=1)
    texts = [writer.turned(7 * slot) for slot in range(NUM_SLOTS)]
    writer.step([SlotTokens(slot, text[:8]) for slot, text in enumerate(texts)])
    for at in (8, 9):
        together = writer.step([SlotTokens(slot, text[at : at + 1]) for slot, text in enumerate(texts)])
    expect(writer.lengths() == [10] * NUM_SLOTS, f"the lengths of {NUM_SLOTS} slots are {writer.lengths()}")
    for slot, text in enumerate(texts):
        single.text = text
        single.session.truncate(0, 0)
        alone = single.append(0, 8, 1, 1)
        expect_rows_equal(together[slot], alone[0], fixture.tolerances.same_kind, f"slot {slot} of {NUM_SLOTS}")


@check("logits.know_the_last_token_id", Capability.GENERATE)
def know_the_last_token_id(fixture: Fixture) -> str | None:
    """The first and the last token ids of the vocabulary are tokens like any other, and not other ones."""
    writer, size = fixture.writer, fixture.session.info.vocab_size
    rows = {}
    for token_id in (size - 1, size - 2, size - 3, 0, 1, 2):
        fixture.session.truncate(0, 0)
        rows[token_id] = writer.step([SlotTokens(0, np.append(writer.text[:6], token_id))])
    if np.array_equal(rows[size - 2], rows[size - 3]) or np.array_equal(rows[1], rows[2]):
        return "the last token ids, or the first, have no weights of their own"
    for one, other in ((size - 1, size - 2), (size - 1, 0), (0, 1)):
        expect_rows_differ(rows[one], rows[other], f"the token ids {one} and {other} after one text")
    return None


@check("slots.forget_what_they_decoded", Capability.GENERATE)
def forget_what_they_decoded(fixture: Fixture) -> None:
    """A slot that is emptied and holds another text decodes the same token as a slot that never held the first."""
    writer, same = fixture.writer, fixture.tolerances.same_kind
    plain, turned = writer.text, writer.text[::-1].copy()
    turned[10] = plain[10]
    writer.append(0, 10, 1)
    fixture.session.truncate(0, 0)
    writer.text = turned
    again, fresh = writer.append(0, 10, 1), writer.append(1, 10, 1)
    expect_rows_equal(again, fresh, same, "a token decoded in a slot that decoded it after another text")


@check("slots.may_be_full", Capability.GENERATE)
def may_be_full(fixture: Fixture) -> None:
    """The last token that fits has the logits that it has in a larger context."""
    writer, size = fixture.writer, 64
    small = fixture.open(num_slots=2, context_length=size)
    size = min(small.session.info.context_length, len(small.text))
    for chunks in ((size,), (size - 8, 8)):
        small.session.truncate(0, 0)
        fixture.session.truncate(0, 0)
        full, same = small.append(0, *chunks), fixture.tolerances.same_kind
        expect_rows_equal(full, writer.append(0, *chunks), same, f"a context of {size} tokens that is full")


@check("embeddings.tell_near_texts_apart", Capability.EMBED)
def tell_near_texts_apart(fixture: Fixture) -> None:
    """Texts that differ in one token, at the beginning, in the middle or at the end, or have one more, differ."""
    context = fixture.session.info.context_length
    for length in (each for each in (24, 32, 64) if each < context):
        text = np.random.default_rng(SEED).integers(1, MAX_EMBEDDING_TOKEN_ID, length)
        plain = fixture.session.embed([text])
        for at in (0, 1, length // 2, length - 2, length - 1):
            near = text.copy()
            near[at] = near[at] % (MAX_EMBEDDING_TOKEN_ID - 1) + 1
            expect_rows_differ(fixture.session.embed([near]), plain, f"two texts that differ in token {at} of {length}")
        for other in (text[:-1], np.append(text, text[-1])):
            expect_rows_differ(fixture.session.embed([other]), plain, f"texts of {length} and of {len(other)} tokens")
