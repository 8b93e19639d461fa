"""The picture in a data: URL, or what is wrong with the URL."""

from __future__ import annotations

import pytest

from jan_ort.images.data_url import MAX_FILE_BYTES, ImageFile, read_data_url
from jan_ort.images.image_errors import ImageError


@pytest.mark.parametrize(
    "url",
    ["data:image/png;base64,AAEC", "data:IMAGE/PNG;BASE64,AAEC", "data:image/png;name=a;base64,AA\nEC "],
)
def test_the_file_is_read(url: str) -> None:
    assert read_data_url(url) == ImageFile(b"\0\1\2", "image/png")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("data:image/png,AAEC", "without base64"),
        ("data:image/png;base64", "without base64"),
        ("data:image/png;base64,AAE", "base64 is broken"),
        ("data:image/png;base64,AA%EC", "base64 is broken"),
        ("data:image/png;base64,ÄÄEC", "base64 is broken"),
        ("data:image/png;base64,", "it is empty"),
        (f"data:image/png;base64,{'A' * (2 * MAX_FILE_BYTES)}", "characters of base64"),
        (f"data:image/png;base64,{'AAAA' * (MAX_FILE_BYTES // 3 + 1)}", "are allowed"),
    ],
)
def test_a_broken_one_is_refused(url: str, told: str) -> None:
    with pytest.raises(ImageError, match=told):
        read_data_url(url)
