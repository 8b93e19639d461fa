"""A model folder around a GGUF file that stays as it is, for backends that read such files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jan_ort.convert.folder_files import describe, recommended_sampling, write_chat_template, write_configs, write_json
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.inputs.gguf_parts import existing_parts
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.convert.tokenizers.special_tokens import SpecialDefaults
from jan_ort.convert.tokenizers.vocabulary import Vocabulary
from jan_ort.convert.weights.schemes import AS_IS
from jan_ort.ground.file_blocks import copy_in_blocks, sha256_in_blocks
from jan_ort.ground.model_errors import UnknownTokenizer
from jan_ort.ground.progress import Progress
from jan_ort.ground.task import GENERATE


def keep_gguf(source: Path, target: Path, *, name: str, progress: Progress, sha256: str | None = None) -> None:
    """Write the folder of the GGUF file ``source``, of any architecture, into the existing, empty ``target``.

    The file itself, or each of its parts, is linked, or copied where the file system cannot link; it is read for its
    ``sha256`` if that is not known. A tokenizer of a kind that is not translated is left to the backend.
    Raises: ConversionError; OSError; what ``progress`` raises.
    """
    model, parts = GgufFile(source), existing_parts(source)
    model.expect_weights()
    architecture = model.string("general.architecture")
    length = model.integer(f"{architecture}.context_length")
    vocabulary, is_ours = _write_tokenizer(target, model)
    write_chat_template(target, model)
    config = {"model_type": architecture, "max_position_embeddings": length}
    write_configs(target, vocabulary, config, recommended_sampling(model))
    for part in parts:  # llama.cpp finds the others by the first one's name
        _link(part, target / (part.name if len(parts) > 1 else "model.gguf"), progress)
    digest = sha256 or sha256_in_blocks(source, progress)
    description = describe(name=name, task=GENERATE, context_length=length, weights=AS_IS, source=source, sha256=digest)
    write_json(target / "jan_ort.json", description if is_ours else {**description, "tokenizer": "backend"})


def _write_tokenizer(target: Path, model: GgufFile) -> tuple[Vocabulary, bool]:
    """Write tokenizer.json, if we can read the file's; return the vocabulary, and whether we can."""
    try:
        tokenizer = GgufTokenizer(model)
        built = tokenizer.build()
    except UnknownTokenizer:
        return Vocabulary(model, SpecialDefaults()), False
    built.save(str(target / "tokenizer.json"), pretty=False)
    return tokenizer.vocabulary, True


def _link(source: Path, target: Path, progress: Progress) -> None:
    if sys.platform == "win32" and not os.access(source, os.W_OK):
        copy_in_blocks(source, target, progress)  # Windows removes no link to a read-only file
        return
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        copy_in_blocks(source, target, progress)
