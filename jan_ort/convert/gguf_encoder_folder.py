"""Convert a GGUF file of a model that embeds or ranks into a model folder with one ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures import decoders, gguf_encoders
from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig, read_decoder_config
from jan_ort.convert.architectures.encoder import Encoder, EncoderConfig
from jan_ort.convert.encoder_folder import STAGE, EncoderModel, write_encoder, write_reading_decoder
from jan_ort.convert.folder_files import check_empty, describe, write_configs, write_json
from jan_ort.convert.gguf_folder import read_tokenizer
from jan_ort.convert.inputs.dense_module import Dense
from jan_ort.convert.inputs.encoder_config import gguf_pooling, read_gguf_encoder
from jan_ort.convert.inputs.encoder_weights import EncoderWeights
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.inputs.sentence_transformers import SentenceTransformer, name_pooling
from jan_ort.convert.inputs.yes_or_no import YesOrNo, gguf_yes_or_no
from jan_ort.convert.peak_memory import VALUE_BYTES, check_peak
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.convert.weights.schemes import EncoderScheme
from jan_ort.ground.progress import Progress, in_bytes, silent
from jan_ort.ground.task import EMBED, RERANK, Task


def check_gguf_encoder(source: Path, memory_limit_mb: int | None = None, pooling: str | None = None) -> None:
    """Read the header, and check all that it says and a conversion needs. Raises: ConversionError."""
    model = GgufFile(source)
    _read_embedder(model, pooling)
    check_peak(model.path, model.largest_tensor(), VALUE_BYTES, memory_limit_mb)


def convert_gguf_encoder(
    source: Path,
    target: Path,
    *,
    name: str | None = None,
    progress: Progress | None = None,
    sha256: str | None = None,
    memory_limit_mb: int | None = None,
    pooling: str | None = None,
    weights: EncoderScheme = "float32",
) -> None:
    """Write the model folder of the GGUF file ``source``, which embeds or ranks, into the empty directory ``target``.

    ``weights`` are as of :func:`sentence_transformers_folder.convert_sentence_transformers`, and vectors have
    the length 1. ``pooling`` is for a file that does not say how; the rest is as of :func:`gguf_folder.convert_gguf`.
    Raises: ConversionError naming the file and the remedy.
    """
    report = progress or silent
    check_empty(target)
    report(STAGE, 0.0)
    model = GgufFile(source)
    report = in_bytes(report, model.size_bytes)
    found = _read_embedder(model, pooling)
    if isinstance(found.recipe, Encoder):
        tensors = EncoderWeights.of_gguf(model, found.recipe)
        around = None if isinstance(found.around, YesOrNo) else found.around
        config = read_gguf_encoder(model, found.recipe, scores=around is None)
        # llama.cpp gives all tokens the first type; a model was trained with two, as transformers gives them.
        separator = found.tokenizer.type_separator if around is None else None
        encoder = EncoderModel(found.recipe, config, tensors, around, separator)
        write_encoder(target, encoder, found.length, weights, memory_limit_mb, report)
    elif found.around is not None:
        write_reading_decoder(target, model, found.recipe, found.around, None, weights, memory_limit_mb, report)
    found.tokenizer.build().save(str(target / "tokenizer.json"), pretty=False)
    stated = {"model_type": found.recipe.name, "hidden_size": found.size, "max_position_embeddings": found.length}
    write_configs(target, found.tokenizer.vocabulary, stated)
    shown = name or model.string("general.name", source.stem)
    description = describe(
        name=shown, task=found.task, context_length=found.length, weights=weights, source=source, sha256=sha256
    )
    if isinstance(found.around, YesOrNo):
        description["pair_template"] = found.around.template
    write_json(target / "jan_ort.json", description)
    report(STAGE, 1.0)


@dataclass(frozen=True, slots=True)
class _Embedder:
    """What a header says: ``length`` counts tokens, ``size`` the numbers of a hidden state.

    ``around`` is what becomes of them; None: the head of an encoder scores pairs.
    """

    recipe: Encoder | Decoder
    around: SentenceTransformer | YesOrNo | None
    tokenizer: GgufTokenizer
    length: int
    size: int

    @property
    def task(self) -> Task:
        """What the model is for."""
        return EMBED if isinstance(self.around, SentenceTransformer) else RERANK


def _read_embedder(model: GgufFile, pooling: str | None) -> _Embedder:
    """Read the header, and check it. Raises: ConversionError."""
    architecture = model.string("general.architecture")
    recipe = gguf_encoders().get(architecture) or decoders().get(architecture)
    if recipe is None:
        known = ", ".join([*gguf_encoders(), *decoders()])
        model.refuse(f"architecture {architecture!r} is not supported; supported: {known}; use an ONNX repository")
    around = _read_around(model, architecture, pooling, is_encoder=isinstance(recipe, Encoder))
    if isinstance(recipe, Encoder):
        config: EncoderConfig | DecoderConfig = read_gguf_encoder(model, recipe, scores=around is None)
    else:
        config = read_decoder_config(model, recipe)
    model.check_types()
    tokenizer = read_tokenizer(model, config.vocab_size)
    length = model.integer(f"{architecture}.context_length")
    return _Embedder(recipe, around, tokenizer, length, config.hidden_size)


def _read_dense(model: GgufFile) -> tuple[Dense, ...]:
    """Return the products behind pooling that a file has: EmbeddingGemma's are called so."""
    names = [name for name in ("dense_2.weight", "dense_3.weight") if model.has_tensor(name)]

    def loads(name: str) -> Callable[[], tuple[NDArray[np.float32], None]]:
        return lambda: (model.tensor(name, model.shape(name)).dequantize(), None)

    return tuple(Dense(model.path, loads(name)) for name in names)


def _read_around(
    model: GgufFile, architecture: str, asked: str | None, *, is_encoder: bool
) -> SentenceTransformer | YesOrNo | None:
    stated = gguf_pooling(model, architecture)
    if stated == "rank":
        return None if is_encoder else gguf_yes_or_no(model, architecture)
    pooling = stated or asked or name_pooling(model.path, [model.string("general.name", ""), model.path.stem])
    return SentenceTransformer(pooling, normalize=True, dense=_read_dense(model))
