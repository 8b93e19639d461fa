"""Prompts with pictures, for a session that has room for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import EMBEDDED, Embedded, EmbeddedRun, ImageInput, Session, SlotTokens
from jan_ort_backends.images import Detail
from jan_ort_conformance.backend.check_tools.fixture import Fixture, Writer
from jan_ort_conformance.verdicts.verdict import expect

Part: TypeAlias = Embedded | int
"""A part of a prompt: a picture, or so many tokens of the writer's text."""

MAX_PICTURES = 3
TEXT = 40


def picture(seed: int, height: int = 30, width: int = 40) -> NDArray[np.uint8]:
    """Return a picture of a few colours, uint8 ``(height, width, 3)``: what is small in it is not lost by resizing."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return np.repeat(np.repeat(coarse, -(-height // 3), axis=0), -(-width // 4), axis=1)[:height, :width]


def changed_in_a_corner(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return four pictures that differ from this one in a corner alone, each in another."""
    pictures = [pixels.copy() for _ in range(4)]
    half = np.array(pixels.shape[:2]) // 3
    for at, changed in enumerate(pictures):
        rows = slice(None, half[0]) if at < 2 else slice(-half[0], None)
        columns = slice(None, half[1]) if at % 2 else slice(-half[1], None)
        changed[rows, columns] = 255 - changed[rows, columns]
    return pictures


class Album:
    """A session with room for three pictures and some text in each of its slots."""

    def __init__(self, fixture: Fixture) -> None:
        detail: Detail = "low" if images_of(fixture.session).has_detail else "auto"
        first = fixture.session.encode_image(picture(1), detail)
        needed = MAX_PICTURES * len(first.token_ids) + TEXT
        self.writer: Writer = fixture.open(context_length=max(needed, fixture.session.info.context_length))
        self.session = self.writer.session
        self.pictures = [self.session.encode_image(picture(seed), detail) for seed in (1, 2)]

    def row(self, slot: int, *parts: Part, num_logits: int = 1) -> SlotTokens:
        """Return a row of these parts; the text of each part begins where the one before it ended."""
        token_ids: list[int] = []
        runs: list[EmbeddedRun] = []
        text = iter(self.writer.text.tolist())
        for part in parts:
            more = part.token_ids.tolist() if isinstance(part, Embedded) else [next(text) for _ in range(part)]
            token_ids += more
            runs += part.runs if isinstance(part, Embedded) else ()
        return SlotTokens(slot, np.array(token_ids, np.int64), num_logits, embedded=tuple(runs))

    def append(self, slot: int, *parts: Part) -> NDArray[np.float32]:
        """Append these parts in one step, and return the logits of the last token."""
        return self.writer.step([self.row(slot, *parts)])


def images_of(session: Session) -> ImageInput:
    """Return how the session's model reads images, which the check has asked for."""
    assert session.info.images is not None, "the judge runs checks on sessions that can do what they need"
    return session.info.images


def cut(row: SlotTokens, *lengths: int) -> list[SlotTokens]:
    """Return a row as several of these lengths, none of which ends inside of a run."""
    rows, begin, runs = [], 0, list(row.embedded)
    for length in lengths:
        token_ids = row.token_ids[begin : begin + length]
        begin += length
        num_left, own = int((token_ids == EMBEDDED).sum()), []
        while num_left > 0:
            own.append(runs.pop(0))
            num_left -= len(own[-1].vectors)
        assert not num_left, "a run is whole"
        rows.append(SlotTokens(row.slot, token_ids, 1, embedded=tuple(own)))
    return rows


def expect_same_image(one: Embedded, other: Embedded, what: str) -> None:
    """Raise Violation unless two encodings of an image are the same to the bit, keys included."""
    expect(np.array_equal(one.token_ids, other.token_ids), f"{what}: the token ids differ")
    expect(keys(one) == keys(other), f"{what}: the keys are {keys(one)} and {keys(other)}")
    same = all(np.array_equal(a.vectors, b.vectors) for a, b in zip(one.runs, other.runs, strict=True))
    expect(same, f"{what}: the vectors differ")


def keys(image: Embedded) -> Sequence[str]:
    """Return the key of each run."""
    return [run.key for run in image.runs]
