"""A picture's file becomes its pixels, or an error that says what is wrong with it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from jan_ort.images.data_url import ImageFile
from jan_ort.images.decoding import MAX_SIDE, decode
from jan_ort.images.image_errors import ImageError
from tests.images.pictures import bomb, encoded, pixels

PNG = encoded(pixels())


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("BMP", "image/bmp"), ("WEBP", "image/webp")])
def test_what_is_kept_without_loss_comes_back_as_it_was(kind: str, media_type: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}

    decoded = decode(ImageFile(encoded(pixels(), kind, **options), media_type))

    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels())


def test_exif_turns_a_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side

    decoded = decode(ImageFile(encoded(pixels(), "PNG", exif=exif), "image/png"))

    np.testing.assert_array_equal(decoded, np.rot90(pixels(), -1))


def test_white_is_behind_what_is_transparent() -> None:
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))

    decoded = decode(ImageFile(encoded(image), "image/png"))

    assert decoded.tolist() == [[[255, 255, 255], [10, 20, 30]]]


def test_of_an_animation_the_first_picture_is_read() -> None:
    frames = [Image.fromarray(pixels(seed=seed)) for seed in range(3)]

    decoded = decode(
        ImageFile(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True), "image/webp")
    )

    np.testing.assert_array_equal(decoded, pixels(seed=0))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_mode_becomes_red_green_and_blue(mode: str) -> None:
    image = Image.fromarray(pixels()).convert("L" if mode == "I;16" else mode).convert(mode)
    kind, media_type = ("JPEG", "image/jpeg") if mode == "CMYK" else ("PNG", "image/png")

    assert decode(ImageFile(encoded(image, kind), media_type)).shape == (6, 8, 3)


@pytest.mark.parametrize(
    ("content", "media_type", "told"),
    [
        (PNG[:-30], "image/png", "not a complete PNG file"),
        (PNG, "image/jpeg", "not a complete JPEG file"),
        (b"GIF89a" + PNG, "image/png", "not a complete PNG file"),
        (b"<html><img src=x></html>", "image/png", "not a complete PNG file"),
        (PNG, "image/svg+xml", "'image/svg.xml' is not read; these are: image/png, "),
        (PNG, "text/html", "'text/html' is not read"),
        (bomb(60_000, 600), "image/png", "has 60000 × 600 pixels; at most 33554432 are allowed"),
        (bomb(30_000, 30_000), "image/png", "too many pixels; at most 33554432 are allowed"),
        (bomb(MAX_SIDE + 8, 1), "image/png", f"and {MAX_SIDE} on a side"),
    ],
)
def test_what_cannot_be_read_is_refused(content: bytes, media_type: str, told: str) -> None:
    with pytest.raises(ImageError, match=told):
        decode(ImageFile(content, media_type))


def test_why_a_file_is_refused_tells_nothing_of_this_process() -> None:
    with pytest.raises(ImageError, match="its first bytes are not those of one") as raised:
        decode(ImageFile(PNG, "image/jpeg"))

    assert "0x" not in str(raised.value)


def test_a_bomb_is_refused_before_it_takes_memory() -> None:
    file = ImageFile(bomb(30_000, 30_000), "image/png")
    tracemalloc.start()

    with pytest.raises(ImageError):
        decode(file)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
