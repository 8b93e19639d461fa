"""Models whose weights stay as they are, whatever scheme was asked for."""

from __future__ import annotations

import logging

from jan_ort.models.sources.base import Source, Wanted
from jan_ort.settings.schema import Settings

logger = logging.getLogger(__name__)


def warn_of_kept_weights(source: Source, wanted: Wanted, settings: Settings) -> None:
    """Say so if the scheme of weights that was asked for is not that of a folder, which is used as it is."""
    setting = "embedding_weights" if wanted.task.encodes else "weights"
    if setting in settings.model_fields_set and source.ignores(wanted.scheme):
        flag = f"--{setting.replace('_', '-')} {wanted.scheme}"
        logger.warning("the weights of %s stay as they are: %s is for GGUF files and safetensors weights", source, flag)
