"""Convert a folder of a model that embeds, or that scores pairs of texts, into a model folder with one ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jan_ort.convert.architectures import encoders, hf_layouts
from jan_ort.convert.architectures.encoder import Encoder
from jan_ort.convert.architectures.hf_layout import HfLayout
from jan_ort.convert.encoder_folder import STAGE, EncoderModel, write_encoder, write_reading_decoder
from jan_ort.convert.folder_files import check_empty, describe, write_json
from jan_ort.convert.inputs.encoder_config import read_hf_encoder
from jan_ort.convert.inputs.encoder_weights import EncoderWeights
from jan_ort.convert.inputs.hf_checkpoint import HfCheckpoint
from jan_ort.convert.inputs.logit_score import read_saved_reranker
from jan_ort.convert.inputs.safetensors_shards import weight_files
from jan_ort.convert.inputs.sentence_transformers import SentenceTransformer, read_json, read_sentence_transformer
from jan_ort.convert.inputs.yes_or_no import YesOrNo, answering_layout, hf_yes_or_no, ranks_by_answering
from jan_ort.convert.tokenizers.pairs import has_token_types, pair_separator
from jan_ort.convert.weights.schemes import EncoderScheme
from jan_ort.ground.json_object import object_in
from jan_ort.ground.model_errors import ConversionError
from jan_ort.ground.progress import silent
from jan_ort.ground.task import EMBED, RERANK, Task
from jan_ort_backends.context_length import sentence_config, stated_context_length
from jan_ort_backends.folder_names import folder_name
from jan_ort_backends.small_files import MAX_TOKENIZER_BYTES

_COPIED = ("config.json", "config_sentence_transformers.json")


def convert_sentence_transformers(
    source: Path,
    target: Path,
    *,
    name: str | None = None,
    progress: Callable[[str, float], None] | None = None,
    memory_limit_mb: int | None = None,
    pooling: str | None = None,
    task: Task = EMBED,
    weights: EncoderScheme = "float32",
) -> None:
    """Write the model folder of the model in ``source`` into the existing, empty directory ``target``.

    ``weights``: float32 gives the model's own vectors, int8 nearly those (docs/weights.md). Pooling and normalisation
    are in the graph, as ``1_Pooling/config.json`` and ``modules.json`` say, and as ``pooling`` does for a folder with
    neither. ``name`` is the display name, the folder's own by default; ``progress`` is called with a stage and a
    fraction. ``memory_limit_mb`` replaces what memory is available, 0 for no limit.
    Raises: ConversionError naming the file and the remedy.
    """
    report = progress or silent
    check_empty(target)
    report(STAGE, 0.0)
    shown, asked = name or folder_name(source), _asked_length(source)
    read = _read(source, shown, task, pooling)
    model, around = read.model, read.around
    if isinstance(model, EncoderModel):
        length = min(asked or model.config.num_positions, model.config.num_positions)
        write_encoder(target, model, length, weights, memory_limit_mb, report)
    else:
        assert around is not None, "a decoder only reads"
        length = write_reading_decoder(target, model, model.decoder, around, asked, weights, memory_limit_mb, report)
    _write_tokenizer(source, target, read.tokenizer, length)
    stored = weight_files(source)[0]
    description = describe(name=shown, task=task, context_length=length, weights=weights, source=stored)
    if isinstance(around, YesOrNo):
        description["pair_template"] = around.template
    write_json(target / "jan_ort.json", description)
    report(STAGE, 1.0)


def check_sentence_transformers(source: Path, *, pooling: str | None = None, task: Task = EMBED) -> None:
    """Check what the small files of ``source`` and the headers of its weights say; a few tenths of a second.

    Raises: ConversionError as :func:`convert_sentence_transformers`, but for tensors of wrong shapes or too many.
    """
    _read(source, folder_name(source), task, pooling)


@dataclass(frozen=True, slots=True)
class _Read:
    """What a folder says: its tokenizer, its model, and what becomes of a decoder's hidden states."""

    tokenizer: dict[str, Any]
    model: EncoderModel | HfCheckpoint
    around: SentenceTransformer | YesOrNo | None = None


def _read(source: Path, name: str, task: Task, pooling: str | None) -> _Read:
    stated, tokenizer = read_json(source / "config.json"), _read_tokenizer(source)
    if not (weights := weight_files(source)[0]).exists():
        raise ConversionError(f"{weights} is missing; only safetensors weights are supported")
    if str(stated.get("model_type")) in encoders():
        return _Read(tokenizer, _read_encoder(source, stated, tokenizer, task, pooling))
    decoder = _read_decoder(source, stated, task, name)
    return _Read(tokenizer, decoder, _read_around(source, decoder, tokenizer, task, pooling))


def _write_tokenizer(source: Path, target: Path, tokenizer: dict[str, Any], length: int) -> None:
    """Write the tokenizer, for texts of so many tokens, and the files that are taken as they are."""
    write_json(target / "tokenizer.json", tokenizer)
    limited = _read_optional(source / "tokenizer_config.json") | {"model_max_length": length}
    write_json(target / "tokenizer_config.json", limited)
    for copied in (*_COPIED, sentence_config(source)):
        if (source / copied).exists():
            write_json(target / copied, read_json(source / copied))


def _read_encoder(
    source: Path, stated: dict[str, Any], tokenizer: dict[str, Any], task: Task, pooling: str | None
) -> EncoderModel:
    encoder: Encoder = encoders()[stated["model_type"]]
    scores = task == RERANK
    config = read_hf_encoder(source / "config.json", stated, encoder, scores=scores)
    weights = EncoderWeights.of_folder(source, encoder)
    if scores:
        typed = has_token_types(_read_optional(source / "tokenizer_config.json"))
        separator = pair_separator(tokenizer, source / "tokenizer.json") if typed else None
        return EncoderModel(encoder, config, weights, None, separator)
    return EncoderModel(encoder, config, weights, read_sentence_transformer(source, pooling))


def _read_decoder(source: Path, stated: dict[str, Any], task: Task, name: str) -> HfCheckpoint:
    """Return the checkpoint of a decoder that is read for the task. Raises: ConversionError if none is."""
    if (layout := _layout(stated, task, name)) is None:
        known = ", ".join([*encoders(), *(hf_layouts() if task == EMBED else ())])
        model_type = str(stated.get("model_type"))
        raise ConversionError(f"{source}: architecture {model_type[:80]!r} is not supported; supported: {known}")
    return HfCheckpoint(source, stated, layout, headless=task == EMBED or "score" in layout.tensors)


def _layout(stated: dict[str, Any], task: Task, name: str) -> HfLayout | None:
    """Return how a decoder's checkpoint is spelled, None of one that cannot be read for the task."""
    if task == EMBED:
        return hf_layouts().get(str(stated.get("model_type")))
    layout = answering_layout(stated)
    return layout if layout is None or "score" not in layout.tensors or ranks_by_answering(stated, [name]) else None


def _read_around(
    source: Path, model: HfCheckpoint, tokenizer: dict[str, Any], task: Task, pooling: str | None
) -> SentenceTransformer | YesOrNo:
    """Return what becomes of a decoder's hidden states."""
    if task == EMBED:
        return read_sentence_transformer(source, pooling)
    saved = read_saved_reranker(source) if (source / "modules.json").exists() else None
    vocabulary = object_in(object_in(tokenizer, "model"), "vocab")
    return hf_yes_or_no(model, vocabulary, source, saved)


def _read_optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def _asked_length(source: Path) -> int | None:
    """Return the number of tokens that a text may have, by the files beside config.json; None if they do not say."""
    return stated_context_length(
        config={},
        genai_model={},
        sentence_bert=_read_optional(source / sentence_config(source)),
        tokenizer_config=_read_optional(source / "tokenizer_config.json"),
        embeds=True,
    )


def _read_tokenizer(source: Path) -> dict[str, Any]:
    """Return tokenizer.json without the truncation and padding that were saved into it.

    all-MiniLM-L6-v2 has both at 128 tokens there, while sentence_bert_config.json allows 256.
    """
    tokenizer: dict[str, Any] = read_json(source / "tokenizer.json", MAX_TOKENIZER_BYTES)
    return tokenizer | {"truncation": None, "padding": None}
