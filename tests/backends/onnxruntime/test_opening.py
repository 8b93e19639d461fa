"""What the onnxruntime backend says before and while a folder is opened."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime
import pytest

from jan_ort_backends import Declines, ModelError, OpenOptions
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.graphs import onnx_file


@pytest.fixture
def folder(llama_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama_folder, tmp_path / "copy"))


def refusal(folder: Path, **extra: str) -> str:
    with pytest.raises(ModelError) as caught:
        OnnxRuntimeBackend().open(folder, OpenOptions(extra=extra))
    return str(caught.value)


def test_importing_the_plugin_imports_no_runtime() -> None:
    code = "import sys, jan_ort_onnxruntime as p; p.backend.probe(); print(*sys.modules)"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    names = [f"jan_ort_onnxruntime.{room}" for room in ("graphs", "kv", "opening", "sessions")]
    assert set(shown.stdout.split()).isdisjoint({"onnxruntime", *names})


def test_a_folder_is_opened_with_one_walk_through_its_graph(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, paths = onnx_file.OnnxFile.read, []

    def noted(path: Path) -> onnx_file.OnnxFile:
        paths.append(path)
        return read(path)

    monkeypatch.setattr(onnx_file.OnnxFile, "read", noted)
    (folder / "jan_ort.json").write_text('{"format": 1, "context_length": 128}')  # the weights' source is not told

    OnnxRuntimeBackend().open(folder, OpenOptions()).close()

    assert paths == [folder / "model.onnx"]


def test_a_folder_without_a_graph_is_declined_and_refused(tmp_path: Path) -> None:
    answer = OnnxRuntimeBackend().accepts(tmp_path)

    assert isinstance(answer, Declines)
    assert "model.onnx" in answer.reason
    assert "model.onnx does not exist" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "holds no JSON object"),
        ('{"format": 2}', "is not of format 1"),
        ('{"format": 1, "task": "sing"}', "task is 'sing'; this backend knows generate, embed, rerank"),
        ('{"format": 1, "context_length": true}', "context_length is True"),
        ('{"format": 1, "task": "embed"}', "jan_ort.json says task 'embed' and the graph does 'generate'"),
    ],
)
def test_a_description_that_is_not_understood_is_named(folder: Path, content: str, message: str) -> None:
    (folder / "jan_ort.json").write_text(content)

    assert message in refusal(folder)


@pytest.mark.parametrize("content", [b"", b"no protobuf at all", b"\x08\x0a"])
def test_a_corrupt_graph_is_named(folder: Path, content: bytes) -> None:
    (folder / "model.onnx").write_bytes(content)

    message = refusal(folder)

    assert str(folder / "model.onnx") in message
    assert "convert or download the model again" in message


def with_new_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-1].op_type = "TopKOfTomorrow"


def with_new_operator_of_its_own(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.domain).op_type = "AttentionOfTomorrow"


def with_new_attribute(model: onnx.ModelProto) -> None:
    product = next(node for node in model.graph.node if node.op_type == "MatMulNBits")
    product.attribute.append(onnx.helper.make_attribute("of_tomorrow", 1))


def with_new_format(model: onnx.ModelProto) -> None:
    model.ir_version = 99


def with_new_operator_set(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


@pytest.mark.parametrize(
    "change",
    [with_new_operator, with_new_operator_of_its_own, with_new_attribute, with_new_format, with_new_operator_set],
)
def test_a_graph_for_a_newer_runtime_is_not_called_broken(
    folder: Path, change: Callable[[onnx.ModelProto], None]
) -> None:
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    change(model)
    onnx.save(model, folder / "model.onnx")

    message = refusal(folder)

    assert f"is written for a newer onnxruntime than {onnxruntime.__version__}" in message
    assert "--weights fp16" in message


def test_missing_or_truncated_weights_are_named(folder: Path) -> None:
    weights = folder / "model.onnx.data"
    weights.write_bytes(weights.read_bytes()[:5000])
    truncated = refusal(folder)
    weights.unlink()

    assert "model.onnx.data" in truncated
    assert "model.onnx.data" in refusal(folder)


def test_a_graph_of_another_kind_is_told_what_was_expected(folder: Path) -> None:
    value = onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("labels", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["pixels"], ["labels"])
    graph = onnx.helper.make_graph([node], "other", [value], [out])
    opset = [onnx.helper.make_opsetid("", 21)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), folder / "model.onnx")

    message = refusal(folder)

    assert "it has inputs pixels and outputs labels" in message
    assert "expected inputs input_ids, seqlens_k" in message


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            {"intra_op_threads": "2"},
            "unknown option 'intra_op_threads'",
        ),
        ({"spin_duration": "1"}, "did you mean 'spin_duration_us'?"),
        ({"intra_op_num_threads": "two"}, "option intra_op_num_threads is 'two'"),
        ({"intra_op_num_threads": "-1"}, "option intra_op_num_threads is '-1'"),
        ({"spin_duration_us": "long"}, "option spin_duration_us is 'long'"),
        (
            {"provider": "tpu"},
            "option provider is 'tpu': the installed onnxruntime has no such provider; there are: auto, ",
        ),
        ({"strict": "yes"}, "option strict is 'yes'; give 1 or 0"),
    ],
)
def test_a_wrong_option_is_named(folder: Path, extra: dict[str, str], message: str) -> None:
    assert message in refusal(folder, **extra)


def test_the_weights_hash_follows_the_source_the_scheme_and_the_converter(folder: Path) -> None:
    def weights_hash(**changes: object) -> str:
        description = json.loads((folder / "jan_ort.json").read_text()) | changes
        (folder / "jan_ort.json").write_text(json.dumps(description))
        session = OnnxRuntimeBackend().open(folder, OpenOptions(num_slots=1))
        session.close()
        return session.info.weights_hash

    first, weights = weights_hash(), json.loads((folder / "jan_ort.json").read_text())["weights"]

    assert weights_hash(name="other") == first
    assert weights_hash(weights="int4-cat") != first
    assert weights_hash(weights=weights, converter_version=1) != first
    assert weights_hash(source=None) != first


def test_the_context_length_is_what_was_asked_for_or_the_model_s_own(folder: Path) -> None:
    backend = OnnxRuntimeBackend()

    assert backend.open(folder, OpenOptions()).info.context_length == 128
    assert backend.open(folder, OpenOptions(context_length=50)).info.context_length == 50
    assert backend.open(folder, OpenOptions(num_slots=3)).info.num_slots == 3


def test_a_graph_that_would_end_the_process_of_an_older_runtime_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    stated = {each.key: each.value for each in model.metadata_props}
    onnx.helper.set_model_props(model, stated | {"jan_ort.onnxruntime": "1.31"})
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    OnnxRuntimeBackend().open(folder, OpenOptions()).close()

    monkeypatch.setattr(onnxruntime, "__version__", "1.30.2")

    assert "model.onnx needs onnxruntime 1.31 or later, not 1.30.2; upgrade it" in refusal(folder)
