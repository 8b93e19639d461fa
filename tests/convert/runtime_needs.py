"""What tests need of onnxruntime 1.31; Windows' distribution, onnxruntime-windowsml, is at 1.30."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest

_IS_OLD = tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 31)

needs_products_of_no_rows = pytest.mark.skipif(
    _IS_OLD, reason="before onnxruntime 1.31 a MatMulNBits of no rows ends the process"
)


def skip_without_its_experts(folder: Path) -> None:
    """Skip the test whose graph has quantised experts that the installed onnxruntime cannot read."""
    if _IS_OLD:
        model = onnx.load(folder / "model.onnx", load_external_data=False)
        if any(node.op_type == "QMoE" for node in model.graph.node):
            pytest.skip("before onnxruntime 1.31 QMoE has no accuracy_level, with which graphs are written")
        if any(each.key == "jan_ort.onnxruntime" for each in model.metadata_props):
            pytest.skip("before onnxruntime 1.31 experts that no token has chosen end the process")
