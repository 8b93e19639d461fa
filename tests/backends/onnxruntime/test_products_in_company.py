"""ONNX Runtime's product of each kind that converted graphs have: a row has the same bits alone and in company."""

from __future__ import annotations

import pytest

from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK
from jan_ort.convert.weights.matrices import EIGHT_BIT_BLOCK
from tests.backends.onnxruntime.products import Products, same_in_company


@pytest.mark.parametrize("columns", [576, 2048, 8192])
@pytest.mark.parametrize(("bits", "block"), [(8, EIGHT_BIT_BLOCK), (8, GGML_BLOCK), (4, GGML_BLOCK)])
def test_a_row_has_the_same_bits_alone_and_in_company(bits: int, block: int, columns: int) -> None:
    assert same_in_company(Products(bits, block, rows=256, columns=columns, count=1))
