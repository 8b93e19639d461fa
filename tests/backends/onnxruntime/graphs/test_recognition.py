"""What is said of a folder that is wrong or unfinished, before anything is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from numpy.testing import assert_allclose

from jan_ort_backends import Declines, OpenOptions, SlotTokens
from jan_ort_onnxruntime import OnnxRuntimeBackend
from jan_ort_onnxruntime.graphs.folder_layouts import find_graph
from tests.backends.onnxruntime.layout_folders import golden_paths, write_folder


def reason(folder: Path) -> str:
    answer = OnnxRuntimeBackend().accepts(folder)
    assert isinstance(answer, Declines), answer
    return answer.reason


def edit(path: Path, change: Callable[[onnx.GraphProto], object]) -> None:
    model = onnx.load(path, load_external_data=False)
    change(model.graph)
    onnx.save(model, path)


def add_input(name: str, dtype: int = onnx.TensorProto.INT64, shape: tuple[int, ...] = (1,)) -> Callable[..., object]:
    return lambda graph: graph.input.append(onnx.helper.make_tensor_value_info(name, dtype, shape))


def test_inputs_that_cannot_be_filled_are_listed(tmp_path: Path) -> None:
    folder = write_folder("optimum", "llama", tmp_path / "folder")
    edit(folder / "model.onnx", add_input("past_conv.0"))
    edit(folder / "model.onnx", add_input("encoder_hidden_states"))

    assert "its inputs past_conv.0, encoder_hidden_states are none that this backend can fill" in reason(folder)


def test_an_input_of_another_rank_is_named(tmp_path: Path) -> None:
    folder = write_folder("bare", "gemma3", tmp_path / "folder")
    edit(folder / "model.onnx", add_input("position_ids", shape=(3, 1, 1, 1)))

    assert "input position_ids has 4 dimensions" in reason(folder)


def test_a_cache_of_a_type_that_numpy_lacks_is_named(tmp_path: Path) -> None:
    folder = write_folder("bare", "llama", tmp_path / "folder")

    def to_bfloat16(graph: onnx.GraphProto) -> None:
        for value in graph.input:
            if value.name.startswith("past"):
                value.type.tensor_type.elem_type = onnx.TensorProto.BFLOAT16

    edit(folder / "model.onnx", to_bfloat16)

    assert "the cache is of type bfloat16" in reason(folder)


def test_a_decoder_without_a_cache_is_told_how_to_export_one(tmp_path: Path) -> None:
    folder = write_folder("bare", "llama", tmp_path / "folder")

    def drop_cache(graph: onnx.GraphProto) -> None:
        for value in [value for value in graph.input if value.name.startswith("past")]:
            graph.input.remove(value)

    edit(folder / "model.onnx", drop_cache)

    assert "text-generation-with-past" in reason(folder)


def test_a_missing_output_of_the_cache_is_named(tmp_path: Path) -> None:
    folder = write_folder("bare", "llama", tmp_path / "folder")
    edit(folder / "model.onnx", lambda graph: graph.output.pop())

    assert "past_key_values.1.value must be" in reason(folder)
    assert "have an output present.1.value" in reason(folder)


@pytest.mark.parametrize("content", [None, b"short"])
def test_weights_that_are_missing_or_too_short_are_named(tmp_path: Path, content: bytes | None) -> None:
    folder = write_folder("genai", "llama", tmp_path / "folder")
    weights = folder / "model.onnx.data"
    weights.unlink() if content is None else weights.write_bytes(content)

    assert f"{weights} {'with the graph' if content is None else 'has 5 bytes of at least'}" in reason(folder)


def test_a_graph_that_genai_config_names_must_be_there(tmp_path: Path) -> None:
    folder = write_folder("genai", "llama", tmp_path / "folder")
    (folder / "model.onnx").rename(folder / "other.onnx")

    assert "genai_config.json names it" in reason(folder)


def test_names_that_genai_config_overrides_are_followed(tmp_path: Path) -> None:
    folder = write_folder("genai", "llama", tmp_path / "folder")
    path = golden_paths("llama")[0]
    config = (folder / "genai_config.json").read_text()
    config = config.replace("past_key_values.%d.key", "cache.%d.k").replace("model.onnx", "text.onnx")
    (folder / "genai_config.json").write_text(config)
    edit(folder / "model.onnx", _rename_keys)
    (folder / "model.onnx").rename(folder / "text.onnx")

    session = OnnxRuntimeBackend().open(folder, OpenOptions(num_slots=1))
    logits = [session.step([SlotTokens(0, token_ids)]).logits[0] for token_ids in (path.prompt, path.tokens[:1])]

    assert_allclose(logits, path.logits[:2], rtol=0, atol=1e-4)


def _rename_keys(graph: onnx.GraphProto) -> None:
    for value in graph.input:
        value.name = re.sub(r"past_key_values\.(\d+)\.key", r"cache.\1.k", value.name)
    for node in graph.node:
        node.input[:] = [re.sub(r"past_key_values\.(\d+)\.key", r"cache.\1.k", name) for name in node.input]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["decoder_model.onnx", "decoder_with_past_model.onnx"], "split into decoder_model.onnx"),
        (["a.onnx", "onnx/b.onnx", "c.onnx", "onnx/d.onnx"], "there are a.onnx, c.onnx, onnx/b.onnx, onnx/d.onnx"),
        (["weights.safetensors"], "nor any other .onnx file"),
        (["gpu/int4/model.onnx", "cpu/int4/model.onnx"], f"{Path('gpu/int4')}: give the folder of the one to open"),
    ],
)
def test_a_folder_without_a_known_graph_lists_what_it_has(tmp_path: Path, files: list[str], message: str) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()

    assert message in reason(tmp_path)


@pytest.mark.parametrize(
    ("files", "layout", "chosen"),
    [
        (["model.onnx", "config.json", "onnx/model.onnx"], "optimum", "model.onnx"),
        (["onnx/model_q4.onnx", "onnx/model_quantized.onnx", "config.json"], "transformers.js", "model_quantized.onnx"),
        (["onnx/decoder_model_merged_fp16.onnx"], "transformers.js", "decoder_model_merged_fp16.onnx"),
        (["onnx/model.onnx", "modules.json"], "sentence-transformers", "model.onnx"),
        (["anything.onnx"], "bare", "anything.onnx"),
        (["model.onnx", "jan_ort.json"], "jan-ort", "model.onnx"),
    ],
)
def test_the_layout_is_told_by_its_files(tmp_path: Path, files: list[str], layout: str, chosen: str) -> None:
    (tmp_path / "onnx").mkdir()
    for file in files:
        (tmp_path / file).touch()

    found = find_graph(tmp_path, {})

    assert (found.layout, found.path.name) == (layout, chosen)


def test_a_pipeline_of_graphs_is_declined(tmp_path: Path) -> None:
    folder = write_folder("genai", "llama", tmp_path / "folder")
    config = json.loads((folder / "genai_config.json").read_text())
    config["model"]["decoder"]["pipeline"] = [{"embeddings": {}}]
    (folder / "genai_config.json").write_text(json.dumps(config))

    assert "a pipeline of several graphs" in reason(folder)
