"""Where the graph of a model folder is: the layouts that people bring, told apart by the names of their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jan_ort_backends import ModelError
from jan_ort_backends.graph_names import GRAPH_NAMES, has_image_parts, image_graphs
from jan_ort_backends.small_files import leaves_folder, why_no_file

MODEL_FILE = "model.onnx"
_IMAGE_FILES = ("tokenizer.json", "config.json")
_SPLIT = ("decoder_model.onnx", "decoder_with_past_model.onnx", "encoder_model.onnx")


@dataclass(frozen=True, slots=True)
class GraphLocation:
    """``layout`` is "jan-ort", "genai", "sentence-transformers", "transformers.js", "optimum" or "bare"."""

    layout: str
    path: Path


def find_graph(folder: Path, decoder: Mapping[str, Any]) -> GraphLocation:
    """Find the graph of ``folder``, ``decoder`` being that of its genai_config.json, empty if there is none.

    Raises: ModelError that says which files were looked for and which there are.
    """
    if decoder.get("pipeline"):
        raise ModelError(
            f"{folder / 'genai_config.json'} describes a pipeline of several graphs, which this backend does not run; "
            "build the model as one graph"
        )
    if decoder:
        name = str(decoder.get("filename", MODEL_FILE))
        if leaves_folder(name):
            raise ModelError(
                f"{folder / 'genai_config.json'}: filename {name[:80]!r} leaves the folder; name a file that is in it"
            )
        named = folder / name
        if (why := why_no_file(named)) is not None:
            raise ModelError(f"{named} {why}; genai_config.json names it as the decoder's graph")
        return GraphLocation("genai", named)
    if has_image_parts(graph_names(folder)):
        find_image_graphs(folder)
    path = next(_candidates(folder), None)
    if path is None:
        for other in (*(folder / name for name in GRAPH_NAMES), *sorted(folder.glob("*.onnx"))):
            if other.exists() and (why := why_no_file(other)) is not None:
                raise ModelError(f"{other} {why}; the model's graph must be one")
        raise ModelError(f"{folder / MODEL_FILE} does not exist{_what_there_is(folder)}")
    return GraphLocation(_layout(folder, path), path)


def graph_names(folder: Path) -> list[str]:
    """Return the graphs of a folder, relative and with slashes."""
    found = (*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx"))
    return [path.relative_to(folder).as_posix() for path in found if path.is_file()]


def find_image_graphs(folder: Path) -> dict[str, str]:
    """Return the three graphs of a model that reads images, by part. Raises: ModelError naming what is missing."""
    try:
        names = image_graphs(graph_names(folder))
    except LookupError as error:
        raise ModelError(f"{folder} reads images, but {error.args[0]}: download the whole repository") from error
    if lacking := [name for name in _IMAGE_FILES if not (folder / name).is_file()]:
        raise ModelError(f"{folder} lacks {' and '.join(lacking)}; download the whole repository again")
    return names


def _candidates(folder: Path) -> Iterator[Path]:
    """Yield the graphs under known names, the first being the one to open; then an only one under any name."""
    yield from (folder / name for name in GRAPH_NAMES if (folder / name).is_file())
    for place in (folder, folder / "onnx"):
        graphs = [path for path in place.glob("*.onnx") if path.name not in _SPLIT and path.is_file()]
        if len(graphs) == 1:
            yield graphs[0]


def _layout(folder: Path, path: Path) -> str:
    if (folder / "jan_ort.json").is_file():
        return "jan-ort"
    if (folder / "modules.json").is_file() or (folder / "1_Pooling").is_dir():
        return "sentence-transformers"
    if path.parent != folder:
        return "transformers.js"
    return "optimum" if (folder / "config.json").is_file() else "bare"


def _what_there_is(folder: Path) -> str:
    """Continue the message that there is no graph: with the graphs under other names, and what they lack."""
    graphs = sorted(graph_names(folder))
    if not graphs and any(folder.glob("*.gguf")):
        return "; the GGUF file in it must be converted (jan-ort models convert FILE.gguf), or be for another backend"
    deeper = sorted({path.parent for place in ("*/*.onnx", "*/*/*.onnx") for path in folder.glob(place)})[:4]
    if not graphs and deeper:
        return f"; there are graphs in {', '.join(map(str, deeper))}: give the folder of the one to open"
    if not graphs:
        return ", nor any other .onnx file in it or in onnx/; give a folder that holds a converted model"
    listed = ", ".join(graphs[:8])
    if any(Path(name).name in _SPLIT for name in graphs):
        return f"; a model split into {listed} is not run: export it as one graph with past (text-generation-with-past)"
    return f"; there are {listed}: rename the one to open to {MODEL_FILE}"
