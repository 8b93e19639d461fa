"""A model that turns texts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.in_flight import Delivery
from jan_ort.ground.task import EMBED
from jan_ort.serving.encoding import EncodingModel, open_encoding
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.served_task import ServedTask
from jan_ort.settings.schema import Settings


@dataclass(frozen=True, kw_only=True)
class EmbeddingModel(EncodingModel):
    """A model that turns texts into vectors."""

    async def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return one vector a row of token ids. Raises: as ``encoded``."""
        return await self.encoded(batch)


def open_embedding(found: FoundModel, settings: Settings, _deliver: Delivery) -> EmbeddingModel:
    """Open a model folder to embed with. Raises: BackendError, ModelFolderError."""
    return open_encoding(EmbeddingModel, EMBED, found, settings)


EMBEDDING = ServedTask(EMBED, EmbeddingModel, open_embedding, lambda folder, model: ["embedding"])
