"""Open a model folder: load its graph once and give it the session of its kind."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from jan_ort_backends import BackendError, DeviceLost, DeviceReport, ModelError, OpenOptions, OutOfMemory, Session
from jan_ort_backends.checks import check_options
from jan_ort_backends.failure_text import reason_of
from jan_ort_onnxruntime.graphs.contradictions import (
    cache_contradictions,
    contradictions,
    sizes_of_configuration,
)
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.embedding_graph import EmbeddingGraph
from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph, shared_kv
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder
from jan_ort_onnxruntime.graphs.recognition import Graph, read_graph
from jan_ort_onnxruntime.images.image_parts import read_image_parts
from jan_ort_onnxruntime.images.image_reader import ImageReader
from jan_ort_onnxruntime.providers.proven_opening import comes_first, open_proven
from jan_ort_onnxruntime.providers.provider_table import CPU, built_in
from jan_ort_onnxruntime.rewriting.graph_parts import NotExact
from jan_ort_onnxruntime.rewriting.sharing import share_cache
from jan_ort_onnxruntime.session_settings import OPTION_NAMES, SessionSettings
from jan_ort_onnxruntime.sessions.decoding_session import DecodingSession
from jan_ort_onnxruntime.sessions.embedding_session import EmbeddingSession
from jan_ort_onnxruntime.sessions.generation_session import GenerationSession, SeparateSession
from jan_ort_onnxruntime.sessions.image_session import ImageSession, SharedImageSession
from jan_ort_onnxruntime.sessions.state_key import state_key
from jan_ort_onnxruntime.sessions.stateful_session import StatefulSession

logger = logging.getLogger(__name__)


def open_session(model_dir: Path, options: OpenOptions) -> Session:
    """Load the graph on a provider proven to run it. Raises: ModelError naming the file or option, OutOfMemory."""
    folder = OnnxFolder.read(model_dir)
    _check_runtime(folder.file)
    check_options(options, OPTION_NAMES, folder.context_length)
    settings = SessionSettings.parse(options.extra)
    graph = _with_pooling(read_graph(folder), settings, folder)
    check_options(options, OPTION_NAMES, graph.context_length)
    for contradiction in contradictions(folder, graph):
        logger.warning("%s", contradiction)
    images = read_image_parts(folder, graph)
    task = graph.task if isinstance(graph, EmbeddingGraph) else "generate"
    if folder.task not in (None, task):
        raise ModelError(f"{folder.path}: jan_ort.json says task {folder.task!r} and the graph does {task!r}")
    reader = None if images is None else ImageReader.load(images, folder.path, settings)
    concatenates = isinstance(graph, DecoderGraph) and not graph.appends_in_place
    if isinstance(graph, DecoderGraph) and concatenates and comes_first(CPU, settings.provider):
        shared = _open_sharing(folder, graph, reader, settings, options)
        if shared is not None:
            return shared
    with _naming_sizes(folder, graph):
        return open_proven(
            folder.file,
            settings,
            lambda session, device: _session_of(session, graph, reader, folder, options, device),
            optimise=isinstance(graph, DecoderGraph)
            or (isinstance(graph, EmbeddingGraph) and graph.pooling is not None),
        )


@contextmanager
def _naming_sizes(folder: OnnxFolder, graph: Graph) -> Iterator[None]:
    """Say of a graph whose first run fails which sizes were taken from a configuration file: one may be wrong.

    Raises: ModelError.
    """
    try:
        yield
    except (ModelError, OutOfMemory, DeviceLost):
        raise
    except (BackendError, ValueError) as error:
        stated = sizes_of_configuration(folder, graph)
        if not stated:
            raise
        raise ModelError(
            f"{folder.model_path} does not run with what the configuration beside it states, {' and '.join(stated)}: "
            f"{reason_of(error)}; correct the wrong one"
        ) from error


def _check_runtime(file: OnnxFile) -> None:
    """Refuse a graph that would end the process in this onnxruntime. Raises: ModelError naming the oldest that runs it.

    A graph that is too new in another way is told by onnxruntime itself.
    """
    oldest = re.fullmatch(r"(\d{1,3})\.(\d{1,3})", file.metadata.get("jan_ort.onnxruntime", ""))
    installed = tuple(int(part) for part in ort.__version__.split(".")[:2])
    if oldest is not None and installed < tuple(map(int, oldest.groups())):
        raise ModelError(f"{file.path} needs onnxruntime {oldest[0]} or later, not {ort.__version__}; upgrade it")


def _open_sharing(
    folder: OnnxFolder,
    graph: DecoderGraph,
    reader: ImageReader | None,
    settings: SessionSettings,
    options: OpenOptions,
) -> Session | None:
    """Open a decoder that concatenates its cache with attention over a shared one; None where that is not exact."""
    stated = sizes_of_configuration(folder, graph)
    try:
        if reader is not None:
            _check_images(reader, graph)
        sharing = share_cache(
            folder.model_path,
            graph,
            settings.intra_op_num_threads,
            given=np.asarray if reader is None else reader.vectors,
            measures_cache=bool(stated),
        )
        for contradiction in cache_contradictions(folder, graph, sharing.decoder):
            logger.warning("%s", contradiction)
        return open_proven(
            folder.file,
            settings,
            lambda session, device: sharing.proven(
                _session_of(session, sharing.decoder, reader, folder, options, device, sharing.content)
            ),
            optimise=True,
            content=sharing.content,
        )
    except (NotExact, BackendError) as error:  # as it is it may open, or say why not
        doubt = f" (is the configuration's {' or '.join(stated)} right?)" if stated else ""
        logger.info("%s runs its sequences one at a time: %s%s", folder.model_path, error, doubt)
        return None


def _check_images(reader: ImageReader, graph: DecoderGraph) -> None:
    """Refuse what a proof by texts does not see: that the decoder is told more of an image than its vectors.

    Raises: NotExact.
    """
    if reader.parts.processor.has_axes:
        raise NotExact("its images lie on three axes")
    if "token_type_ids" in graph.inputs:
        raise NotExact("it attends both ways within an image")


def _with_pooling(graph: Graph, settings: SessionSettings, folder: OnnxFolder) -> Graph:
    """Return the graph with what pools its vectors. Raises: ModelError if neither folder nor options say it."""
    if not isinstance(graph, EmbeddingGraph) or graph.pooling is None:
        return graph
    return replace(graph, pooling=graph.pooling.chosen(settings.pooling, folder.path))


def _session_of(
    session: ort.InferenceSession,
    graph: Graph,
    reader: ImageReader | None,
    folder: OnnxFolder,
    options: OpenOptions,
    device: DeviceReport,
    rewritten: bytes | None = None,
) -> Session:
    """Return the session of the graph's kind; ``rewritten`` is what is run in place of its file, if anything is."""
    opened = _kind_of_session(session, graph, reader, folder, options, device)
    if isinstance(opened, (GenerationSession, DecodingSession)) and opened.can_save:
        key = state_key(opened.info, type(opened).__name__, folder.model_path, rewritten)
        opened.info = replace(opened.info, state_key=key)
    return opened


def _kind_of_session(
    session: ort.InferenceSession,
    graph: Graph,
    reader: ImageReader | None,
    folder: OnnxFolder,
    options: OpenOptions,
    device: DeviceReport,
) -> Session:
    if isinstance(graph, EmbeddingGraph):
        return EmbeddingSession(session, graph, options, device, folder.weights_hash)
    provider = built_in(session.get_providers()[0])
    if reader is not None:
        return _image_session(session, graph, reader, folder, options, device)
    if isinstance(graph, GenerationGraph) and graph.states:
        if provider is not None and provider.memory_device != CPU.memory_device:
            raise ModelError(f"{folder.path}: a model with states runs on the CPU only; use the provider {CPU.name!r}")
        return StatefulSession(session, graph, options, device, folder.weights_hash)
    kind = SeparateSession if provider is not None and provider.separate_rows else GenerationSession
    if isinstance(graph, DecoderGraph) and graph.appends_in_place:
        return kind(session, shared_kv(graph), options, device, folder.weights_hash, decoder=graph)
    if isinstance(graph, DecoderGraph):
        return DecodingSession(session, graph, options, device, folder.weights_hash)
    return kind(session, graph, options, device, folder.weights_hash)


def _image_session(
    session: ort.InferenceSession,
    graph: GenerationGraph | DecoderGraph,
    reader: ImageReader,
    folder: OnnxFolder,
    options: OpenOptions,
    device: DeviceReport,
) -> Session:
    provider = built_in(session.get_providers()[0])
    separates = provider is not None and provider.separate_rows
    if isinstance(graph, DecoderGraph):
        if separates or not graph.appends_in_place:
            return ImageSession(session, graph, options, device, reader)
        return SharedImageSession(session, shared_kv(graph), options, device, reader, decoder=graph)
    if separates:
        raise ModelError(f"{folder.path}: images are not read on {device.used}; use the provider {CPU.name!r}")
    return SharedImageSession(session, graph, options, device, reader)
