"""What stands in a row where an image is: vectors of the model's own instead of token ids. Since 1.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

EMBEDDED = -1
"""What stands in ``token_ids`` where a vector takes the place of a token."""

Detail: TypeAlias = Literal["auto", "low", "high"]


@dataclass(frozen=True, slots=True)
class ImageInput:
    """How a model reads images.

    ``token_id`` is what its chat template writes where an image is to stand; ``vector_size`` the length of a vector.
    ``has_detail``: an image can be looked at from afar ("low"), for fewer tokens, or closely ("high"). ``around``: the
    prompt's texts before and after an image. They are tokenized with what they touch, and so are not in ``Embedded``.
    """

    token_id: int
    vector_size: int
    has_detail: bool = False
    around: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedRun:
    """Vectors in a row, float32 ``(n, vector_size)``, n >= 1, of one image or of a part of it.

    ``key`` says what they were computed from: pixels, processor and weights. Two runs of one key are the same to the
    bit. ``grid`` is for models whose positions follow the image's rows and columns; the server only hands it back.
    """

    key: str
    vectors: NDArray[np.float32]
    grid: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """An image as a prompt has it.

    ``token_ids``: int64 ``(n,)``, what takes the place of ``ImageInput.token_id``: tokens that the model wants around
    images and between their parts, and ``EMBEDDED`` where the vectors of ``runs`` stand, in this order.
    """

    token_ids: NDArray[np.int64]
    runs: tuple[EmbeddedRun, ...]
