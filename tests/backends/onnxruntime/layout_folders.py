"""Model folders of every layout, laid out from the recorded graphs, and the golden paths that torch took."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FIXTURES = Path(__file__).parents[2] / "fixtures" / "layouts"
ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma3", "phi3", "gpt2", "mistral")
GENAI = ("llama", "qwen2", "qwen3", "phi3", "mistral")  # the builder knows no gpt2 and fails on gemma3


@dataclass(frozen=True)
class GoldenPath:
    """A prompt, the greedy tokens after it, and each one's logits, float32 ``(len(tokens), vocab)``."""

    prompt: NDArray[np.int64]
    tokens: NDArray[np.int64]
    logits: NDArray[np.float32]

    def margins(self) -> NDArray[np.float32]:
        """Return how far each token's logit is above the next one's."""
        ordered = np.sort(self.logits, axis=1)
        margins: NDArray[np.float32] = ordered[:, -1] - ordered[:, -2]
        return margins


def golden_paths(architecture: str) -> list[GoldenPath]:
    recorded = np.load(FIXTURES / architecture / "golden.npz")
    return [GoldenPath(*(recorded[f"{part}_{i}"] for part in ("prompt", "tokens", "logits"))) for i in range(3)]


def layouts_and_architectures() -> Iterator[tuple[str, str]]:
    for layout in ("optimum", "transformers.js", "bare", "merged", "float16"):
        yield from ((layout, architecture) for architecture in ARCHITECTURES)
    yield from (("genai", architecture) for architecture in GENAI)


def write_folder(layout: str, architecture: str, folder: Path) -> Path:
    """Write a folder as its makers would, from the one graph that is recorded of each architecture and exporter."""
    folder.mkdir(parents=True)
    shutil.copy(FIXTURES / "tokenizer.json", folder)
    if layout == "genai":
        shutil.copy(FIXTURES / "tokenizer_config.json", folder)
        return Path(shutil.copytree(FIXTURES / f"{architecture}-genai", folder, dirs_exist_ok=True))
    source = FIXTURES / architecture
    if layout != "bare":
        for file in (FIXTURES / "tokenizer_config.json", source / "config.json", source / "generation_config.json"):
            shutil.copy(file, folder)
    place = folder / {"transformers.js": "onnx/model.onnx", "merged": "onnx/decoder_model_merged.onnx"}.get(
        layout, "model.onnx"
    )
    place.parent.mkdir(exist_ok=True)
    shutil.copy(source / "model.onnx", place)
    rewrite = {"merged": _add_merged_inputs, "float16": _store_float16}.get(layout)
    if rewrite is not None:
        rewrite(place)
    return folder


def _add_merged_inputs(path: Path) -> None:
    """Add what merged decoders take beside the usual inputs; here nothing depends on them but that they are right."""
    import onnx

    model = onnx.load(path)
    for name, dtype, shape in (("use_cache_branch", onnx.TensorProto.BOOL, [1]), ("num_logits_to_keep", 7, [])):
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, dtype, shape))
    _keep_last_logits(model)
    onnx.save(model, path)


def _keep_last_logits(model: object) -> None:
    """Slice the logits to the last ``num_logits_to_keep`` positions."""
    import onnx

    graph = model.graph  # type: ignore[attr-defined]
    for node in graph.node:
        node.output[:] = ["all_logits" if name == "logits" else name for name in node.output]
    axis = onnx.numpy_helper.from_array(np.array([0], np.int64), "kept_axis")
    end = onnx.numpy_helper.from_array(np.array([2**62], np.int64), "kept_end")
    one = onnx.numpy_helper.from_array(np.array([1], np.int64), "kept_dimension")
    graph.initializer.extend([axis, end, one])
    graph.node.extend(
        [
            onnx.helper.make_node("Neg", ["num_logits_to_keep"], ["kept_start"]),
            onnx.helper.make_node("Unsqueeze", ["kept_start", "kept_axis"], ["kept_starts"]),
            onnx.helper.make_node("Slice", ["all_logits", "kept_starts", "kept_end", "kept_dimension"], ["logits"]),
        ]
    )


def _store_float16(path: Path) -> None:
    """Make cache and logits float16, as half-precision exports have them; the arithmetic within stays float32."""
    import onnx

    model = onnx.load(path)
    graph, half, single = model.graph, onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    before, after = [], []
    for value in graph.input:
        if value.name.startswith("past_key_values."):
            value.type.tensor_type.elem_type = half
            before.append(onnx.helper.make_node("Cast", [value.name], [f"{value.name}.single"], to=single))
    renamed = {value.name for value in graph.output}
    for node in graph.node:
        node.input[:] = [f"{name}.single" if name.startswith("past_key_values.") else name for name in node.input]
        node.input[:] = [f"{name}.single" if name in renamed else name for name in node.input]
        node.output[:] = [f"{name}.single" if name in renamed else name for name in node.output]
    for value in graph.output:
        value.type.tensor_type.elem_type = half
        after.append(onnx.helper.make_node("Cast", [f"{value.name}.single"], [value.name], to=half))
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


def write_embedding_folder(folder: Path, *, pooling: str = "mean_tokens", normalize: bool = True) -> Path:
    """Write a sentence-transformers folder around the recorded BERT, whose graph pools nothing."""
    for place in ("onnx", "1_Pooling"):
        (folder / place).mkdir(parents=True)
    shutil.copy(FIXTURES / "bert" / "model.onnx", folder / "onnx")
    shutil.copy(FIXTURES / "bert" / "config.json", folder)
    shutil.copy(FIXTURES / "tokenizer.json", folder)
    modules = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    types = [{"idx": index, "type": f"sentence_transformers.models.{name}"} for index, name in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(types))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))
    return folder
