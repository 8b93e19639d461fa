"""The reader of ONNX files against the onnx package, and against files that are none."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import pytest

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.graphs.operator_needs import OperatorNeed
from tests.backends.onnxruntime.layout_folders import FIXTURES, write_folder

GRAPHS = sorted(FIXTURES.glob("*/model.onnx"))


@pytest.mark.parametrize("path", GRAPHS, ids=[path.parent.name for path in GRAPHS])
def test_it_reads_what_the_onnx_package_reads(path: Path) -> None:
    model = onnx.load(path, load_external_data=False)

    file = OnnxFile.read(path)

    for read, values in ((file.inputs, model.graph.input), (file.outputs, model.graph.output)):
        assert list(read) == [value.name for value in values]
        for value in values:
            tensor = value.type.tensor_type
            assert read[value.name].shape == tuple(each.dim_param or each.dim_value for each in tensor.shape.dim)
            assert read[value.name].dtype == onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    assert file.op_types == Counter(node.op_type for node in model.graph.node)
    assert file.metadata == {entry.key: entry.value for entry in model.metadata_props}
    assert set(file.external_files) == {
        entry.value for each in model.graph.initializer for entry in each.external_data if entry.key == "location"
    }
    assert file.missing_files() == []


@pytest.mark.parametrize("end", [0, 1, 100, 5000, -1])
def test_a_file_that_ends_too_early_is_named(tmp_path: Path, end: int) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes((FIXTURES / "llama" / "model.onnx").read_bytes()[:end])

    with pytest.raises(ModelError, match=f"{path.name} cannot be loaded"):
        OnnxFile.read(path)


@pytest.mark.parametrize("content", [b"GGUF" * 100, b"{}", b"\xff" * 50, bytes(64)])
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    with pytest.raises(ModelError, match="is not an ONNX graph"):
        OnnxFile.read(path)


def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")

    with pytest.raises(ModelError, match=r"it is a pointer of Git LFS, .* \(git lfs pull fetches that\)"):
        OnnxFile.read(path)


def test_weights_that_are_not_ours_to_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder("genai", "llama", tmp_path / "folder")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read all

    (problem,) = OnnxFile.read(folder / "model.onnx").missing_files()

    assert problem == f"{folder / 'model.onnx.data'} cannot be read: permission denied; change its mode"


def test_the_operators_of_our_graph_are_read(llama_folder: Path) -> None:
    assert OnnxFile.read(llama_folder / "model.onnx").needs == {
        OperatorNeed("GatherBlockQuantized", "float32", 8),
        OperatorNeed("GroupQueryAttention", "float32", 0, ("packed query, key and value", "rotary embedding inside")),
        OperatorNeed("MatMulNBits", "float32", 8),
        OperatorNeed("QuickGelu", ""),
        OperatorNeed("SimplifiedLayerNormalization", "float32"),
        OperatorNeed("SkipSimplifiedLayerNormalization", "float32"),
    }


@pytest.mark.parametrize(
    ("attributes", "forms"),
    [
        ({}, ()),
        ({"local_window_size": -1, "softcap": 0.0, "do_rotary": 0}, ()),
        ({"local_window_size": 16}, ("sliding window",)),
        ({"softcap": 50.0}, ("soft cap",)),
    ],
)
def test_attention_with_a_window_or_a_cap_is_a_form_of_its_own(
    attributes: dict[str, Any], forms: tuple[str, ...], tmp_path: Path
) -> None:
    operator = "GroupQueryAttention"
    node = onnx.helper.make_node(operator, ["a", "a", "a"], ["b"], domain="com.microsoft", scale=0.5, **attributes)
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "ab"]
    graph = onnx.helper.make_graph([node], "attention", values[:1], values[1:])
    (tmp_path / "model.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())

    assert OnnxFile.read(tmp_path / "model.onnx").needs == {OperatorNeed(operator, "", 0, forms)}


def test_a_node_that_lacks_the_input_of_its_type_needs_an_unknown_one(tmp_path: Path) -> None:
    node = onnx.helper.make_node("MatMulNBits", ["a"], ["b"], domain="com.microsoft", bits=4)
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "ab"]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", values[:1], values[1:])), tmp_path / "g.onnx")

    assert OnnxFile.read(tmp_path / "g.onnx").needs == {OperatorNeed("MatMulNBits", "", 4)}
