"""What a GGUF file is for, by its header; every start asks, so nothing that writes graphs is imported.

The header is kept for whoever checks or converts the file next, until the file is no longer needed.
"""

from __future__ import annotations

from pathlib import Path

from jan_ort.convert.architectures import decoders, gguf_encoders
from jan_ort.convert.inputs.encoder_config import gguf_pooling
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.inputs.gguf_header import forget_header
from jan_ort.convert.inputs.gguf_parts import part_paths
from jan_ort.ground.model_errors import ConversionError
from jan_ort.ground.task import EMBED, GENERATE, RERANK, Task


def gguf_task(source: Path) -> Task | None:
    """Return what a file's header says that its model is for, None where the header is damaged: it says nothing."""
    try:
        model = GgufFile(source, keep_header=True)
        architecture = model.string("general.architecture")
        pooling = gguf_pooling(model, architecture)
        decoder = decoders().get(architecture)
        reads = decoder is not None and not model.boolean(decoder.key("attention.causal"), decoder.causal)
    except ConversionError:  # whoever checks or converts the file says what is wrong with it
        return None
    if pooling == "rank":
        return RERANK
    return EMBED if pooling is not None or reads or architecture in gguf_encoders() else GENERATE


def forget_gguf(source: Path) -> None:
    """Let go of the headers of a file that is not opened again: its model is made, or was there."""
    for path in part_paths(source):
        forget_header(path)
