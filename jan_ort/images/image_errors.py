"""What is wrong with a picture of a request."""

from __future__ import annotations


class ImageError(Exception):
    """Raised when a picture cannot be read; the message says what is wrong with it and what to send instead."""


class ImagesNotInstalled(Exception):
    """Raised when pictures cannot be decoded here, because Pillow is missing."""

    def __init__(self) -> None:
        super().__init__('reading images needs Pillow: pip install "jan-ort[images]", and start the server again')
