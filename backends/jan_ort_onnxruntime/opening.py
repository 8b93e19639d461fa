"""Open a model folder: load its graph once and give it the session of its kind."""

from __future__ import annotations

from jan_ort_backends import ModelError, OpenOptions, Session
from jan_ort_backends.checks import check_options
from jan_ort_onnxruntime.embedding import EmbeddingSession
from jan_ort_onnxruntime.generation import GenerationSession
from jan_ort_onnxruntime.graph import EmbeddingGraph, read_graph
from jan_ort_onnxruntime.model_folder import ModelFolder
from jan_ort_onnxruntime.providers import device_report, load_graph
from jan_ort_onnxruntime.settings import OPTION_NAMES, SessionSettings


def open_session(folder: ModelFolder, options: OpenOptions) -> Session:
    """Load ``folder``. Raises: ModelError naming the file or option, OutOfMemory."""
    check_options(options, OPTION_NAMES, folder.context_length)
    settings = SessionSettings.parse(options.extra)
    session = load_graph(folder.model_path, settings)
    graph = read_graph(session, folder)
    check_options(options, OPTION_NAMES, graph.context_length)
    task = "embed" if isinstance(graph, EmbeddingGraph) else "generate"
    if folder.task not in (None, task):
        raise ModelError(f"{folder.path}: jan_ort.json says task {folder.task!r} and the graph does {task!r}")
    device = device_report(session, settings)
    if isinstance(graph, EmbeddingGraph):
        return EmbeddingSession(session, graph, options, device, folder.weights_hash)
    return GenerationSession(session, graph, options, device, folder.weights_hash)
