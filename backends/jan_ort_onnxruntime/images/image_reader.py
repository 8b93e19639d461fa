"""The two graphs beside a decoder that reads images, loaded: of tokens' vectors, and the tower."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from jan_ort_onnxruntime.images.image_parts import ImageParts
from jan_ort_onnxruntime.images.tower import ImageTower
from jan_ort_onnxruntime.providers.provider_devices import Candidate
from jan_ort_onnxruntime.providers.provider_table import CPU
from jan_ort_onnxruntime.providers.session_loading import load_on
from jan_ort_onnxruntime.session_settings import SessionSettings


@dataclass(frozen=True, slots=True)
class ImageReader:
    """``embed`` is the graph embed_tokens, ``tower`` runs in the thread of whoever encodes."""

    parts: ImageParts
    embed: ort.InferenceSession
    tower: ImageTower

    @classmethod
    def load(cls, parts: ImageParts, folder: Path, settings: SessionSettings) -> ImageReader:
        """Load both, which stay on the CPU: their vectors go there and back with each row. Raises: ModelError."""
        vision, embed = (
            load_on(Candidate(CPU), file.path, replace(settings, memory_limit_mb=0), optimise=True)
            for file in (parts.vision, parts.embed)
        )
        return cls(parts, embed, ImageTower(vision, parts, folder))

    def vectors(self, token_ids: NDArray[np.int64]) -> NDArray[Any]:
        """Return the vectors of tokens ``(n,)``: float ``(n, size)``."""
        (vectors,) = self.embed.run(None, {"input_ids": token_ids[np.newaxis]})
        return np.asarray(vectors[0])
