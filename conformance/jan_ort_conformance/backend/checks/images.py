"""Images: encoded alike each time, read wherever they stand, and cached, copied and refused like tokens."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np

from jan_ort_backends import BadInput, Capability, Embedded, EmbeddedRun, SlotTokens
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_error, expect_rows_differ, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import Fixture
from jan_ort_conformance.backend.check_tools.pictures import (
    Album,
    Part,
    changed_in_a_corner,
    cut,
    expect_same_image,
    images_of,
    keys,
    picture,
)
from jan_ort_conformance.verdicts.verdict import expect

NEEDS = (Capability.GENERATE, Capability.IMAGES)


@check("images.encode_alike", *NEEDS)
def encode_alike(fixture: Fixture) -> None:
    """An image has the same vectors each time, of another size or content another key, and fits a row."""
    session = fixture.session
    plain = [picture(1), picture(2), picture(1, 60, 40), 255 - picture(1), *changed_in_a_corner(picture(1))]
    encoded = [session.encode_image(pixels) for pixels in plain]
    for at, pixels in enumerate(plain):
        expect_same_image(session.encode_image(pixels), encoded[at], f"picture {at} encoded again")
    size = images_of(session).vector_size
    for image in encoded:
        shapes = {run.vectors.shape[1:] for run in image.runs}
        expect(shapes == {(size,)}, f"vectors of {sorted(shapes)} were encoded, and vector_size is {size}")
    all_keys = [key for image in encoded for key in keys(image)]
    expect(len(set(all_keys)) == len(all_keys), f"two runs of different images or places share a key: {all_keys}")


@check("images.of_any_shape", *NEEDS)
def of_any_shape(fixture: Fixture) -> None:
    """An image of one pixel, a thin one and a large one are encoded, or refused with BadInput."""
    for height, width in ((1, 1), (1, 300), (300, 1), (700, 900)):
        try:
            image = fixture.session.encode_image(picture(3, height, width))
        except BadInput:
            continue
        num = sum(len(run.vectors) for run in image.runs)
        expect(num == int((image.token_ids < 0).sum()) > 0, f"{height} × {width} pixels have {num} vectors")


@check("images.detail_is_followed", *NEEDS)
def detail_is_followed(fixture: Fixture) -> str | None:
    """Where a model has detail, "low" gives fewer vectors than "high", and another key."""
    if not images_of(fixture.session).has_detail:
        return "it looks at every image in one way"
    low, high = (fixture.session.encode_image(picture(1, 900, 1200), detail) for detail in ("low", "high"))
    expect(len(low.token_ids) < len(high.token_ids), f"low has {len(low.token_ids)} tokens, high {len(high.token_ids)}")
    expect(not set(keys(low)) & set(keys(high)), "low and high share a key")
    return None


@check("images.are_read", *NEEDS)
def are_read(fixture: Fixture) -> None:
    """What follows an image depends on it, and on which of two comes first."""
    album = Album(fixture)
    one, other = album.pictures
    after = album.append(0, 5, one, 5)
    expect_rows_differ(album.append(1, 5, other, 5), after, "the logits after each of two images")
    expect_rows_differ(album.append(2, 10), after, "the logits with an image and without it")
    both, turned = album.append(3, 5, one, other, 5), album.append(4, 5, other, one, 5)
    expect_rows_differ(both, turned, "the logits after two images in either order")


@check("images.anywhere", *NEEDS)
def anywhere(fixture: Fixture) -> None:
    """An image first, last, twice and between texts gives the logits that the same row gives in pieces."""
    album, same = Album(fixture), fixture.tolerances.same_kind
    one, other = album.pictures
    num = len(one.token_ids)
    forms: dict[str, tuple[tuple[Part, ...], tuple[int, ...]]] = {
        "first": ((one, 6), (num, 6)),
        "last": ((6, one), (6, num)),
        "twice": ((4, one, 4, one, 4), (4 + num, 4, num + 4)),
        "between turns": ((4, one, 8, other, 4), (4 + num, 8, len(other.token_ids) + 4)),
    }
    for name, (parts, lengths) in forms.items():
        for slot in (0, 1):
            album.session.truncate(slot, 0)
        whole = album.append(0, *parts)
        for piece in cut(album.row(1, *parts), *lengths):
            last = album.writer.step([piece])
        expect_rows_equal(last, whole, same, f"an image {name}, in pieces and at once")


@check("images.are_cached", *NEEDS)
def are_cached(fixture: Fixture) -> None:
    """A slot that was cut behind an image, or before it, continues as a new one does."""
    album, same = Album(fixture), fixture.tolerances.same_kind
    one, other = album.pictures
    num = 5 + len(one.token_ids)
    row = album.row(0, 5, one, 6)
    first, rest = cut(row, num, 6)
    expected = album.writer.step([replace(row, slot=1)])
    album.append(0, 5, one, other, 9)
    album.session.truncate(0, num)
    expect_rows_equal(album.writer.step([rest]), expected, same, "a slot that was cut behind an image")
    album.session.truncate(0, 5)
    tail = SlotTokens(0, row.token_ids[5:], embedded=row.embedded)
    expect_rows_equal(album.writer.step([tail]), expected, same, "a slot that was cut before an image")
    if Capability.FORK in fixture.able:
        album.session.fork(1, 2, len(first.token_ids))
        forked = album.writer.step([replace(rest, slot=2)])
        expect_rows_equal(forked, expected, same, "a fork that ends behind an image")


@check("images.equal_alone", *NEEDS)
def equal_alone(fixture: Fixture) -> None:
    """Rows with images and rows of text give in one step what each gives alone."""
    album, same = Album(fixture), fixture.tolerances.same_kind
    one, other = album.pictures
    forms = ((5, one, 4), (12,), (other, 3), (5, one, other, 4))
    alone = []
    for parts in forms:
        alone.append(album.append(0, *parts))
        album.session.truncate(0, 0)
    together = album.writer.step([album.row(slot, *parts) for slot, parts in enumerate(forms)])
    for slot, expected in enumerate(alone):
        expect_rows_equal(together[slot], expected[0], same, f"row {slot} of 4, of which 3 hold images")


@check("images.beside_steps", *NEEDS)
def beside_steps(fixture: Fixture) -> None:
    """An image that another thread encodes while steps run is the same, and so are the steps."""
    album, same = Album(fixture), fixture.tolerances.same_kind
    detail, steps = "low" if images_of(album.session).has_detail else "auto", 6
    expected = [album.append(1, 8) for _ in range(steps)]
    encoded: list[Embedded | BaseException] = []

    def encode() -> None:
        try:
            encoded.extend(album.session.encode_image(picture(1), detail) for _ in range(4))  # type: ignore[arg-type]
        except BaseException as error:
            encoded.append(error)

    thread = threading.Thread(target=encode, daemon=True)
    thread.start()
    found = [album.append(0, 8) for _ in range(steps)]
    thread.join()
    for image in encoded:
        expect(isinstance(image, Embedded), f"encode_image beside steps raised {image!r}")
        assert isinstance(image, Embedded)
        expect_same_image(image, album.pictures[0], "an image encoded beside steps")
    for row, other in zip(found, expected, strict=True):
        expect_rows_equal(row, other, same, "a step beside which an image was encoded")


@check("images.refuse_wrong_sizes", *NEEDS)
def refuse_wrong_sizes(fixture: Fixture) -> None:
    """Vectors without a place, places without a vector and vectors of another size are refused, and change nothing."""
    album = Album(fixture)
    row = album.row(0, 3, album.pictures[0], 3)
    run, *rest = row.embedded
    wide = np.concatenate([run.vectors, run.vectors[:, :1]], axis=1)
    wrong = {
        "a run with a vector too few": replace(row, embedded=(EmbeddedRun(run.key, run.vectors[1:]), *rest)),
        "places without a vector": replace(row, embedded=tuple(rest)),
        "a run too many": replace(row, embedded=(*row.embedded, run)),
        "vectors that are too long": replace(row, embedded=(EmbeddedRun(run.key, wide), *rest)),
        "vectors of float64": replace(row, embedded=(EmbeddedRun(run.key, run.vectors.astype(np.float64)), *rest)),
    }
    for what, broken in wrong.items():
        expect_error(BadInput, lambda: album.session.step([broken]), what)  # noqa: B023  (called at once)
        expect(album.session.length(0) == 0, f"{what}: the slot then holds {album.session.length(0)} tokens")


@check("images.refuse_other_pixels", *NEEDS)
def refuse_other_pixels(fixture: Fixture) -> None:
    """Pixels that are no uint8 (height, width, 3) are refused."""
    plain = picture(1)
    wrong: dict[str, Any] = {
        "float32": plain.astype(np.float32),
        "grey": plain[:, :, 0],
        "four channels": plain[:, :, [0, 1, 2, 0]],
    }
    for what, pixels in {**wrong, "none": plain[:0]}.items():
        expect_error(BadInput, lambda: fixture.session.encode_image(pixels), f"pixels: {what}")  # noqa: B023
