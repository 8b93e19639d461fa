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
    """The last token id of the vocabulary is a token like any other, and not another one."""
    writer, size = fixture.writer, fixture.session.info.vocab_size
    rows = {}
    for token_id in (size - 1, size - 2, size - 3, 0):
        fixture.session.truncate(0, 0)
        prompt = np.append(writer.text[:6], token_id)
        rows[token_id] = writer.step([SlotTokens(0, prompt)])
    if np.array_equal(rows[size - 2], rows[size - 3]):
        return "the last token ids have no weights of their own"
    for other in (size - 2, 0):
        expect_rows_differ(rows[size - 1], rows[other], f"the token ids {size - 1} and {other} after one text")
    return None


@check("embeddings.tell_near_texts_apart", Capability.EMBED)
def tell_near_texts_apart(fixture: Fixture) -> None:
    """Texts that differ in one token, at the beginning, in the middle or at the end, or have one more, differ."""
    text = np.random.default_rng(SEED).integers(1, MAX_EMBEDDING_TOKEN_ID, 24)
    plain = fixture.session.embed([text])
    for at in (0, 1, 12, 22, 23):
        near = text.copy()
        near[at] = near[at] % (MAX_EMBEDDING_TOKEN_ID - 1) + 1
        expect_rows_differ(fixture.session.embed([near]), plain, f"two texts that differ in token {at} of 24")
    for other in (text[:-1], np.append(text, text[-1])):
        expect_rows_differ(fixture.session.embed([other]), plain, f"texts of 24 and of {len(other)} tokens")
