"""The session of an encoder's graph: texts of similar length share a small batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_backends import BackendError, ContextOverflow, DeviceReport, OpenOptions, Session, SessionInfo
from jan_ort_backends.checks import check_token_ids
from jan_ort_onnxruntime.graphs.embedding_graph import EmbeddingGraph
from jan_ort_onnxruntime.providers.runtime_failures import running

MAX_BATCH_TOKENS = 512
"""Padded tokens of one run: larger batches were up to twice as slow on 2 cores (MiniLM-L6)."""

_UNIT = 4


class EmbeddingSession(Session):
    """An encoder; what its graph does not pool or normalise is done here."""

    def __init__(
        self,
        session: ort.InferenceSession,
        graph: EmbeddingGraph,
        options: OpenOptions,
        device: DeviceReport,
        weights_hash: str,
    ) -> None:
        self._session: ort.InferenceSession | None = session
        self._graph = graph
        self.info = SessionInfo(
            vocab_size=0,
            context_length=options.context_length or graph.context_length,
            num_slots=0,
            embedding_size=graph.embedding_size,
            device=device,
            weights_hash=weights_hash,
        )

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return one vector per row, in the order of ``batch``; runs are sorted by length to pad little."""
        for index, token_ids in enumerate(batch):
            check_token_ids(token_ids, self._graph.vocab_size)
            if len(token_ids) > self.info.context_length:
                raise ContextOverflow(
                    slot=index, length=0, num_tokens=len(token_ids), context_length=self.info.context_length
                )
        vectors = np.empty((len(batch), self.info.embedding_size), np.float32)
        for indices in _groups([len(token_ids) for token_ids in batch]):
            vectors[indices] = self._run([batch[index] for index in indices])
        return vectors

    def _run(self, rows: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        lengths = np.array([len(token_ids) for token_ids in rows], np.int64)
        shape = (len(rows), self._width(int(lengths.max())))
        inside = np.arange(shape[1]) < lengths[:, np.newaxis]  # (rows, width)
        input_ids = np.zeros(shape, np.int64)
        input_ids[inside] = np.concatenate(rows)
        arrays = {
            "input_ids": input_ids,
            "attention_mask": inside,
            "token_type_ids": self._token_types(input_ids),
            "position_ids": np.broadcast_to(np.arange(shape[1]) + self._graph.first_position, shape),
        }
        feeds = {value.name: arrays[value.name].astype(value.dtype) for value in self._graph.inputs}
        assert self._session is not None  # the server does not use a closed session
        with running():
            output = self._session.run([self._graph.output], feeds)[0].astype(np.float32, copy=False)
        if output.shape[-1] != self.info.embedding_size:
            raise BackendError(
                f"output {self._graph.output} has {output.shape[-1]} numbers, and not {self.info.embedding_size}"
            )
        pooling = self._graph.pooling
        if pooling is None:
            vectors: NDArray[np.float32] = output
            return vectors
        return pooling.apply(output, lengths) if self._graph.rank == 3 else pooling.scale(output)

    def _width(self, length: int) -> int:
        """Return what rows are padded to: pooling adds up a last token that is no fourth one in another order."""
        return max(length, min(-(-length // _UNIT) * _UNIT, self._graph.context_length))

    def _token_types(self, input_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return 1 for the tokens of a pair's second text, which come behind the first separator."""
        ends = input_ids == self._graph.separator
        types: NDArray[np.int64] = np.minimum(np.cumsum(ends, axis=1) - ends, 1)
        return types

    def close(self) -> None:
        """Free the weights."""
        self._session = None


def _groups(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of rows that run together: by length, at most MAX_BATCH_TOKENS when padded."""
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        if group and (len(group) + 1) * lengths[index] > MAX_BATCH_TOKENS:
            yield group
            group = []
        group.append(index)
    if group:
        yield group
