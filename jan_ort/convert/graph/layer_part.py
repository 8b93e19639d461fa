"""What the parts of a decoder's layers have in common, whatever carries their operations out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.graph.operations import Operations, Value
from jan_ort.convert.weights.smoothing import LayerSmoothing


class LayerPart(Generic[Value]):
    """One kind of part, of all layers; ``smoothing`` has one entry per layer.

    The residual is ``shrinkage`` times what it was.
    """

    def __init__(
        self,
        decoder: Decoder,
        config: DecoderConfig,
        operations: Operations[Value],
        smoothing: Sequence[LayerSmoothing],
        shrinkage: float = 1.0,
    ) -> None:
        self._shrinkage = shrinkage
        self._decoder, self._config, self._do, self._smoothing = decoder, config, operations, smoothing
