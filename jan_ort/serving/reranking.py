"""A model that scores pairs of texts: how well a document answers a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.in_flight import Delivery
from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.ground.task import RERANK
from jan_ort.serving.encoding import EncodingModel, open_encoding
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.served_task import ServedTask
from jan_ort.settings.schema import Settings


@dataclass(frozen=True, kw_only=True)
class RerankingModel(EncodingModel):
    """A cross-encoder with one number for a pair."""

    async def score(self, pairs: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Return the score of each pair of token ids, as sentence-transformers gives it. Raises: as ``encoded``."""
        scores = (await self.encoded(pairs))[:, 0].astype(np.float64)
        if self.folder.score_activation == "identity":
            return scores
        with np.errstate(over="ignore"):  # far below 0 the exponential is infinite and the quotient 0, as it should be
            sigmoid: NDArray[np.float64] = 1 / (1 + np.exp(-scores))
        return sigmoid


def open_reranking(found: FoundModel, settings: Settings, _deliver: Delivery) -> RerankingModel:
    """Open a model folder to score pairs with. Raises: BackendError, ModelFolderError."""
    model = open_encoding(RerankingModel, RERANK, found, settings)
    if (size := model.session.info.embedding_size) != 1:
        model.close()
        raise ModelFolderError(f"{found.folder.path} gives {size} numbers for a pair of texts; one that ranks gives 1")
    return model


RERANKING = ServedTask(RERANK, RerankingModel, open_reranking, lambda folder, model: ["reranking"])
