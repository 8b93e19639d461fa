"""Which mmproj file a GGUF model is read with: the one that is named, or the one beside it that belongs to it."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

from jan_ort.convert.architectures import decoders
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.inputs.gguf_parts import existing_parts, mmproj_files, mmproj_rank
from jan_ort.convert.inputs.mmproj_file import open_mmproj
from jan_ort.convert.towers import read_tower
from jan_ort.ground.model_errors import ConversionError

logger = logging.getLogger(__name__)

NO_MMPROJ = "none"
"""What says that a model is to read text only."""


def find_mmproj(source: Path, named: str | None) -> Path | None:
    """Return the mmproj file that the GGUF model ``source`` is converted with, None for a model of text.

    ``named`` is a path, or "none". Raises: ConversionError if several files beside the model belong to it.
    """
    if named == NO_MMPROJ:
        return None
    if named is not None:
        return Path(named).expanduser()
    beside = mmproj_files(path.name for path in source.parent.glob("*.gguf") if path != source)
    fitting = [path for name in beside if _fits(path := source.with_name(name), source)]
    best = [path for path in fitting if mmproj_rank(path.name) == mmproj_rank(fitting[0].name)]
    if len(best) > 1:
        raise ConversionError(
            f"{len(best)} mmproj files beside {source} belong to it: {', '.join(path.name for path in best[:8])}; "
            f"name one with --mmproj, or --mmproj {NO_MMPROJ} for text only"
        )
    return best[0] if best else None


def _fits(mmproj: Path, source: Path) -> bool:
    """Whether a file belongs to a model; what cannot be read is told, and the model reads text without it."""
    try:
        model = GgufFile(existing_parts(source)[0], keep_header=True)
        architecture = model.string("general.architecture")
        if architecture not in decoders():
            return False  # the model itself is refused
        read_tower(open_mmproj(mmproj), architecture, model.integer(f"{architecture}.embedding_length"))
    except ConversionError as error:
        _tell(f"{source} is read without the mmproj file beside it: {error}")
        return False
    return True


@lru_cache(maxsize=64)
def _tell(message: str) -> None:
    """Log once what each start finds several times."""
    logger.warning("%s", message)
