"""What a graph of vectors takes in place of a run's token ids: the vectors of tokens, and of images in their places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_backends import EMBEDDED
from jan_ort_onnxruntime.sessions.step_plan import Run


class RunVectors:
    """``embed`` is the graph embed_tokens: a lookup, so a token has the same vector in any company."""

    def __init__(self, embed: ort.InferenceSession, dtype: str) -> None:
        self._embed: ort.InferenceSession | None = embed
        self._dtype = np.dtype(dtype)
        self._given: dict[int, NDArray[Any]] = {}

    def begin(self, given: Mapping[int, NDArray[Any]]) -> None:
        """Take what a step has in the places of EMBEDDED, by KV row, float ``(places, size)``, for all of its runs."""
        self._given = dict(given)

    def of(self, run: Run, run_options: ort.RunOptions) -> NDArray[Any]:
        """Return the vectors ``(rows, sequence, size)``; a row's runs come in the order of its tokens."""
        assert self._embed is not None  # the server does not step a closed session
        is_given = run.token_ids == EMBEDDED
        (vectors,) = self._embed.run(None, {"input_ids": np.where(is_given, 0, run.token_ids)}, run_options)
        vectors = np.array(vectors, self._dtype)
        for row in self._given.keys() & set(run.rows):
            places = is_given[row - run.first_row]
            count = np.count_nonzero(places)
            vectors[row - run.first_row, places], self._given[row] = self._given[row][:count], self._given[row][count:]
        return vectors

    def close(self) -> None:
        """Free the graph, and what is left of a step."""
        self._embed, self._given = None, {}
