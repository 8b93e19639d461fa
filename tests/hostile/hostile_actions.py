"""What is done with a hostile file, in a process of its own: a line of JSON asks, and a line of JSON answers."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jan_ort.chat.template import ChatTemplate
from jan_ort.cli.doctor.examination import examine_all
from jan_ort.convert import convert_gguf, convert_sentence_transformers, keep_gguf
from jan_ort.ground.progress import silent
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.folder import ModelFolder
from jan_ort.models.sources import resolve_model
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.serving.served_model import open_tokenizer
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder
from jan_ort_onnxruntime.graphs.recognition import read_graph


def convert(path: str, weights: str = "int8") -> None:
    """Convert a GGUF file or a sentence-transformers folder."""
    with tempfile.TemporaryDirectory() as target:
        if Path(path).is_dir():
            convert_sentence_transformers(Path(path), Path(target))
        elif weights == "as-is":
            keep_gguf(Path(path), Path(target), name="hostile", progress=silent)
        else:
            convert_gguf(Path(path), Path(target), weights=weights)  # type: ignore[arg-type]


def make(path: str, cache_dir: str) -> None:
    """Fetch and convert what a text means, as ``serve`` and ``models pull`` do."""
    resolve_model(path, task=EMBED if Path(path).is_dir() else GENERATE, cache_dir=Path(cache_dir))


def tokenize(path: str, texts: list[str]) -> None:
    """Open a tokenizer, tokenize the texts and decode what comes out."""
    tokenizer = TextTokenizer(Path(path))
    for text in texts:
        tokenizer.decode(tokenizer.encode(text).tolist())


def read(path: str) -> None:
    """Read what a folder says of itself, and open its tokenizer; of the graph no more than is read of it, too."""
    folder = ModelFolder.read(Path(path))
    read_graph(OnnxFolder.read(Path(path)))
    tokenizer = open_tokenizer(folder)
    for token_id in folder.eos_token_ids:
        tokenizer.token_text(token_id)
    if folder.chat_template is not None:
        ChatTemplate(folder.chat_template, tool_use=folder.tool_use_template)


def render(source: str) -> None:
    """Render a chat template."""
    ChatTemplate(source).render([{"role": "user", "content": "Hello"}])


def doctor(path: str, cache_dir: str) -> None:
    """Examine a model as ``jan-ort doctor`` does; a problem is raised, for the line that it is."""
    report = examine_all({"model": (path,), "cache_dir": cache_dir, "port": 0, "backend": "onnxruntime"})
    if report.problems:
        raise SystemExit("; ".join(problem.message for problem in report.problems))


ACTIONS: Mapping[str, Callable[..., None]] = {
    each.__name__: each for each in (convert, make, tokenize, read, render, doctor)
}


def main() -> None:
    """Answer until the input ends. What is imported late is imported first: it is no file's doing."""
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401

    import jan_ort.convert.gguf_folder
    import jan_ort.convert.sentence_transformers_folder  # noqa: F401

    render("{{ messages }}")
    _say("ready")
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        error, message = "", ""
        try:
            ACTIONS[request.pop("action")](**request)
        except BaseException as raised:  # whatever it is, a test looks at it
            error, message = type(raised).__name__, str(raised)
        _say(json.dumps({"error": error, "message": message}))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
