"""A prompt: at once, in chunks, or token by token, it comes to the same."""

from __future__ import annotations

import numpy as np

from jan_ort_backends import Capability
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_rows_alike, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import Fixture

GENERATE = Capability.GENERATE


@check("prefill.equals_decode", GENERATE)
def equals_decode(fixture: Fixture) -> str:
    """A prompt at once and the same token by token give the same logits, within the tolerance of unlike steps."""
    writer = fixture.writer
    prefilled = writer.append(0, 48, num_logits=48)
    decoded = np.concatenate([writer.append(1, 1) for _ in range(48)])
    return expect_rows_alike(decoded, prefilled, fixture.tolerances.other_kind, "48 tokens one by one against at once")


@check("prefill.chunked_equals_whole", GENERATE)
def chunked_equals_whole(fixture: Fixture) -> None:
    """A prompt in chunks of two or more tokens gives the logits of the whole prompt."""
    writer = fixture.writer
    whole = writer.append(0, 40)
    for chunks in ((2, 38), (38, 2), (7, 20, 13), (10,) * 4, (2,) * 20):
        fixture.session.truncate(1, 0)
        expect_rows_equal(writer.append(1, *chunks), whole, fixture.tolerances.same_kind, f"chunks of {chunks}")


@check("prefill.continues_after_chunks", GENERATE)
def continues_after_chunks(fixture: Fixture) -> None:
    """Decoding after a prompt in chunks equals decoding after the whole prompt."""
    writer = fixture.writer
    writer.append(0, 40)
    writer.append(1, 13, 27)
    for _ in range(8):
        expect_rows_equal(writer.decode(1), writer.decode(0), fixture.tolerances.same_kind, "decoding after chunks")


@check("prefill.every_position_equals_its_prefix", GENERATE)
def every_position_equals_its_prefix(fixture: Fixture) -> None:
    """The logits of every position of a prompt are those of the prompt that ends there."""
    writer = fixture.writer
    every = writer.append(0, 30, num_logits=30)
    for length in (2, 5, 12, 29, 30):
        fixture.session.truncate(1, 0)
        prefix = writer.append(1, length)
        expect_rows_equal(prefix, every[length - 1], fixture.tolerances.same_kind, f"the prefix of {length} tokens")


@check("prefill.continues_after_decode", GENERATE)
def continues_after_decode(fixture: Fixture) -> str:
    """A chunk after some decoded tokens, as in a second turn of a chat, continues the whole text."""
    writer = fixture.writer
    writer.append(0, 34)
    whole = writer.append(0, 6, num_logits=6)
    turned = writer.append(1, 4, *[1] * 30, 6, num_logits=6)
    return expect_rows_alike(turned, whole, fixture.tolerances.other_kind, "6 tokens after 4 and 30 decoded ones")
