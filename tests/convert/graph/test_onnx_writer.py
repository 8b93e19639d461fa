"""What the writer takes of the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.convert.graph.onnx_writer import OnnxWriter


def test_a_matrix_that_cannot_be_read_takes_no_room_on_the_disk(tmp_path: Path) -> None:
    """Where files have no holes, as on Windows, its size would fill the disk before anything is known of it."""

    def blocks() -> Iterator[NDArray[Any]]:
        raise ValueError("no tensor has this shape")
        yield

    with OnnxWriter(tmp_path) as writer, pytest.raises(ValueError, match="no tensor has this shape"):
        writer.transposed_initializer("weight", np.float16, (64, 2**31), blocks())

    assert (tmp_path / "model.onnx.data").stat().st_size == 0
