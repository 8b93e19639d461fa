"""Convert a Hugging Face checkpoint, a folder with config.json and safetensors weights, without torch."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from jan_ort.convert.architectures import hf_layouts
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.architectures.hf_layout import HfLayout
from jan_ort.convert.decoder_folder import STAGE, check_model, smooth_layers, write_graph
from jan_ort.convert.folder_files import check_empty, describe, write_json
from jan_ort.convert.inputs.hf_checkpoint import HfCheckpoint
from jan_ort.convert.inputs.hf_wrapper import TextConfig, text_config
from jan_ort.convert.inputs.safetensors_shards import weight_files
from jan_ort.convert.weights.schemes import SCHEMES, Weights
from jan_ort.ground.json_object import read_object
from jan_ort.ground.model_errors import ConversionError
from jan_ort.ground.progress import in_bytes, silent
from jan_ort.ground.task import GENERATE
from jan_ort_backends.folder_names import folder_name
from jan_ort_backends.small_files import MAX_CONFIGURATION_BYTES, MAX_TOKENIZER_BYTES, read_small_file

logger = logging.getLogger(__name__)

TOKENIZER, ADAPTER = "tokenizer.json", "adapter_config.json"
_COPIED = (
    "tokenizer_config.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/tool_use.jinja",
)
_QUANTIZATION_KEYS = ("quantization_config", "quantization", "compression_config")
"""Of transformers, of MLX, and of compressed-tensors' first versions."""

_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


def convert_safetensors(
    source: Path,
    target: Path,
    *,
    weights: Weights = "int8",
    name: str | None = None,
    progress: Callable[[str, float], None] | None = None,
    sha256: str | None = None,
    memory_limit_mb: int | None = None,
) -> None:
    """Write the model folder of the checkpoint in ``source`` into the existing, empty directory ``target``.

    The arguments are those of :func:`gguf_folder.convert_gguf`; ``name`` is the folder's by default, ``sha256`` that of
    all files together. Raises: ConversionError naming the file and the remedy.
    """
    report = progress or silent
    check_empty(target)
    report(STAGE, 0.0)
    layout, stated = check_checkpoint(source)
    if stated.left_out:
        logger.warning("%s: only the text model is served; left out: %s", source, ", ".join(stated.left_out))
    model = HfCheckpoint(source, stated.values, layout, is_wrapped=bool(stated.left_out))
    report = in_bytes(report, model.size_bytes)
    decoder = model.decoder
    config = check_model(model, decoder, weights, memory_limit_mb)
    tokenizer = _read_tokenizer(source, config)
    layers = smooth_layers(model, decoder, config, Tokenizer.from_str(json.dumps(tokenizer)), weights, report)
    write_graph(target, model, decoder, config, weights, layers, report)
    write_json(target / TOKENIZER, tokenizer)
    _copy_small_files(source, target)
    token_ids = {key: stated.values[key] for key in _TOKEN_IDS if key in stated.values}
    write_json(target / "config.json", config.to_json(decoder) | token_ids)
    description = describe(
        name=name or folder_name(source),
        task=GENERATE,
        context_length=config.max_position_embeddings,
        weights=SCHEMES[weights].written_as,
        source=weight_files(source)[0],
        sha256=sha256,
    )
    write_json(target / "jan_ort.json", description)
    report(STAGE, 1.0)


def check_safetensors(source: Path, weights: Weights, memory_limit_mb: int | None = None) -> None:
    """Read the headers of all files, and check all that they say and a conversion needs; a few tenths of a second.

    Raises: ConversionError if the folder cannot be served with ``weights``.
    """
    layout, stated = check_checkpoint(source)
    model = HfCheckpoint(source, stated.values, layout, is_wrapped=bool(stated.left_out))
    _read_tokenizer(source, check_model(model, model.decoder, weights, memory_limit_mb))


def check_checkpoint(folder: Path) -> tuple[HfLayout, TextConfig]:
    """Return which architecture a folder has, and what its config.json says of the text; no weights are read.

    Raises: ConversionError if it is an adapter or quantised, if its architecture is not supported, or it has no
    tokenizer.json.
    """
    if (folder / ADAPTER).exists():
        base = _read(folder / ADAPTER).get("base_model_name_or_path")
        raise ConversionError(
            f"{folder} is a LoRA adapter, not a model: it changes {str(base)[:100]!r}. Merge the two (peft's "
            "merge_and_unload), and serve the merged model"
        )
    config = _read(folder / "config.json")
    stated, supported = text_config(config), hf_layouts()
    model_type = stated.model_type
    layout = supported.get(model_type or "")
    for key, method in _quantization(config, stated.values):
        if layout is None or method != layout.quantization:
            raise ConversionError(
                f"{folder}: the weights are quantised for other programs ({key} says {method!r}); take the repository "
                "that they were made of, or a GGUF file of the model"
            )
    if layout is None:
        raise ConversionError(
            f"{folder}: architecture {str(model_type)[:80]!r} is not supported; supported: {', '.join(supported)}; "
            "use an ONNX repository of the model, or a GGUF file with --backend llama_cpp --weights as-is"
        )
    if not (folder / TOKENIZER).exists():
        raise ConversionError(
            f"{folder} has no {TOKENIZER}, and no other kind of tokenizer is read; save it with transformers "
            "(AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)), or use a GGUF file of the model"
        )
    return layout, stated


def _quantization(*configs: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the keys that say how weights are quantised, with the method's name."""
    found = [(key, config.get(key)) for config in configs for key in _QUANTIZATION_KEYS]
    return [(key, str(said.get("quant_method", "unknown"))[:40]) for key, said in found if isinstance(said, dict)]


def _read(path: Path, max_bytes: int = MAX_CONFIGURATION_BYTES) -> dict[str, Any]:
    try:
        return read_object(path, max_bytes)
    except FileNotFoundError:
        raise ConversionError(f"{path} is missing; download it, too") from None
    except ValueError as error:
        raise ConversionError(f"{path} {error}; download it again") from error


def _read_tokenizer(source: Path, config: DecoderConfig) -> dict[str, Any]:
    """Return tokenizer.json without truncation and padding, and without added tokens that have no embedding.

    Gemma 3 1B has one such token, that of its larger sisters' images.
    """
    tokenizer = _read(source / TOKENIZER, MAX_TOKENIZER_BYTES) | {"truncation": None, "padding": None}
    added = tokenizer.get("added_tokens")
    if isinstance(added, list):
        tokenizer["added_tokens"] = [each for each in added if _has_embedding(each, config)]
    try:
        built = Tokenizer.from_str(json.dumps(tokenizer))
    except Exception as error:  # the library raises the bare class
        raise ConversionError(f"{source / TOKENIZER} cannot be read ({str(error)[:200]}); download it again") from error
    if (largest := max(built.get_vocab().values(), default=0)) >= config.vocab_size:
        raise ConversionError(
            f"{source / TOKENIZER} has a token of the number {largest}, and the model {config.vocab_size} embeddings; "
            "they belong to different models"
        )
    return tokenizer


def _has_embedding(token: Any, config: DecoderConfig) -> bool:
    return not isinstance(token, dict) or type(token.get("id")) is not int or token["id"] < config.vocab_size


def _copy_small_files(source: Path, target: Path) -> None:
    for name in _COPIED:
        if (source / name).exists():
            try:
                content = read_small_file(source / name)
            except ValueError as error:
                raise ConversionError(f"{source / name} {error}; download it again") from error
            (target / name).parent.mkdir(exist_ok=True)
            (target / name).write_bytes(content)
