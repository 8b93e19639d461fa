"""The sessions of a model that reads images: its decoder takes vectors, of tokens and of images alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_backends import EMBEDDED, DeviceReport, Embedded, OpenOptions, SlotTokens
from jan_ort_backends.images import Detail
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph
from jan_ort_onnxruntime.images.image_reader import ImageReader
from jan_ort_onnxruntime.sessions.decoding_session import DecodingSession
from jan_ort_onnxruntime.sessions.generation_session import GenerationSession
from jan_ort_onnxruntime.sessions.row_tokens import RowTokens, Shifts, on_axes
from jan_ort_onnxruntime.sessions.run_vectors import RunVectors
from jan_ort_onnxruntime.sessions.step_plan import Run


class ImageSession(DecodingSession):
    """The sequences of such a model, one after another."""

    def __init__(
        self,
        session: ort.InferenceSession,
        graph: DecoderGraph,
        options: OpenOptions,
        device: DeviceReport,
        reader: ImageReader,
    ) -> None:
        super().__init__(session, graph, options, device, reader.parts.weights_hash)
        self._reader: ImageReader | None = reader
        self.has_axes = reader.parts.processor.has_axes
        self.info = replace(self.info, images=reader.parts.input)

    def encode_image(self, pixels: NDArray[np.uint8], detail: Detail = "auto") -> Embedded:
        """Return what stands in a prompt for an image; safe beside a step, as it has a graph of its own."""
        assert self._reader is not None  # the server encodes nothing with a closed session
        return self._reader.tower.encode(pixels, detail)

    def _tokens(self, row: SlotTokens, past: int, shifts: Shifts, run_options: ort.RunOptions) -> RowTokens:
        """Return the vectors of a row and their positions."""
        is_vector = row.token_ids == EMBEDDED
        known = np.where(is_vector, 0, row.token_ids)[np.newaxis]
        assert self._reader is not None  # as in step
        (vectors,) = self._reader.embed.run(None, {"input_ids": known}, run_options)
        embedded: NDArray[Any] = np.array(vectors[0])
        if row.embedded:
            embedded[is_vector] = np.concatenate([run.vectors for run in row.embedded])
        if self.has_axes:
            return on_axes(row, embedded, past, shifts)
        return RowTokens.counted(embedded, past, is_vector.astype(np.int64))

    def close(self) -> None:
        """Free all three graphs and the caches."""
        super().close()
        self._reader = None


class SharedImageSession(GenerationSession):
    """The sequences of such a model together, over a cache that they share."""

    def __init__(
        self,
        session: ort.InferenceSession,
        graph: GenerationGraph,
        options: OpenOptions,
        device: DeviceReport,
        reader: ImageReader,
        decoder: DecoderGraph | None = None,
    ) -> None:
        super().__init__(session, graph, options, device, reader.parts.weights_hash, decoder)
        self._reader: ImageReader | None = reader
        self._vectors = RunVectors(reader.embed, graph.cache_dtype)
        assert self._runner is not None  # only a closed session has none
        self._runner.vectors = self._vectors
        self.info = replace(self.info, images=reader.parts.input)

    def encode_image(self, pixels: NDArray[np.uint8], detail: Detail = "auto") -> Embedded:
        """Return what stands in a prompt for an image; safe beside a step, as it has a graph of its own."""
        assert self._reader is not None  # the server encodes nothing with a closed session
        return self._reader.tower.encode(pixels, detail)

    def _plan(self, batch: Sequence[SlotTokens]) -> list[Run]:
        """Plan the runs, and have the images' vectors at hand for them."""
        runs = super()._plan(batch)
        given = {row.slot: [run.vectors for run in row.embedded] for row in batch if row.embedded}
        self._vectors.begin({self._rows.rows[slot]: np.concatenate(vectors) for slot, vectors in given.items()})
        return runs

    def close(self) -> None:
        """Free all three graphs and the cache."""
        super().close()
        self._reader = None
        self._vectors.close()
