"""The session of a model that reads images: its decoder takes vectors, of tokens and of images alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_backends import EMBEDDED, DeviceReport, Embedded, OpenOptions, SlotTokens
from jan_ort_backends.images import Detail
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.images.image_parts import ImageParts
from jan_ort_onnxruntime.images.tower import ImageTower
from jan_ort_onnxruntime.sessions.decoding_session import DecodingSession
from jan_ort_onnxruntime.sessions.row_tokens import RowTokens, Shifts, on_axes


class ImageSession(DecodingSession):
    """``embed`` is the graph embed_tokens, ``tower`` runs in the thread of whoever encodes."""

    def __init__(
        self,
        session: ort.InferenceSession,
        graph: DecoderGraph,
        options: OpenOptions,
        device: DeviceReport,
        images: ImageParts,
        *,
        embed: ort.InferenceSession,
        tower: ImageTower,
    ) -> None:
        super().__init__(session, graph, options, device, images.weights_hash)
        self._embed: ort.InferenceSession | None = embed
        self._tower: ImageTower | None = tower
        self.has_axes = images.processor.has_axes
        self.info = replace(self.info, images=images.input)

    def encode_image(self, pixels: NDArray[np.uint8], detail: Detail = "auto") -> Embedded:
        """Return what stands in a prompt for an image; safe beside a step, as it has a graph of its own."""
        assert self._tower is not None  # the server encodes nothing with a closed session
        return self._tower.encode(pixels, detail)

    def _tokens(self, row: SlotTokens, past: int, shifts: Shifts, run_options: ort.RunOptions) -> RowTokens:
        """Return the vectors of a row and their positions."""
        is_vector = row.token_ids == EMBEDDED
        known = np.where(is_vector, 0, row.token_ids)[np.newaxis]
        assert self._embed is not None  # as in step
        (vectors,) = self._embed.run(None, {"input_ids": known}, run_options)
        embedded: NDArray[Any] = np.array(vectors[0])
        if row.embedded:
            embedded[is_vector] = np.concatenate([run.vectors for run in row.embedded])
        if self.has_axes:
            return on_axes(row, embedded, past, shifts)
        return RowTokens.counted(embedded, past, is_vector.astype(np.int64))

    def close(self) -> None:
        """Free all three graphs and the caches."""
        super().close()
        self._embed = self._tower = None
