"""Convert a GGUF file into a model folder, without torch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jan_ort.convert.architectures import decoders
from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.decoder_folder import STAGE, check_model, smooth_layers, write_graph
from jan_ort.convert.folder_files import (
    check_empty,
    describe,
    recommended_sampling,
    write_chat_template,
    write_configs,
    write_json,
)
from jan_ort.convert.image_parts import image_config, open_tower, write_image_graphs
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.convert.weights.schemes import SCHEMES, Weights
from jan_ort.ground.progress import in_bytes, silent
from jan_ort.ground.task import GENERATE

logger = logging.getLogger(__name__)


def convert_gguf(
    source: Path,
    target: Path,
    *,
    weights: Weights = "int8",
    name: str | None = None,
    progress: Callable[[str, float], None] | None = None,
    sha256: str | None = None,
    memory_limit_mb: int | None = None,
    mmproj: Path | None = None,
) -> None:
    """Write the model folder of the GGUF file ``source`` into the existing, empty directory ``target``.

    ``weights`` is a scheme of :data:`weights.schemes.SCHEMES`. ``name`` is the display name, by default the file's
    general.name. ``progress`` is called with a stage and a fraction. ``sha256`` is the file's, if it is known.
    ``memory_limit_mb`` replaces what memory is available, 0 for no limit. ``mmproj`` is the file that lets the model
    read images.
    Raises: ConversionError naming the file and the remedy; ``target`` may then hold a part of the folder.
    """
    report = progress or silent
    check_empty(target)
    report(STAGE, 0.0)
    model = GgufFile(source)
    model.expect_weights()
    report = in_bytes(report, model.size_bytes)
    decoder = _read_architecture(model)
    config = check_model(model, decoder, weights, memory_limit_mb)
    tokenizer = read_tokenizer(model, config.vocab_size)
    tower = None if mmproj is None else open_tower(mmproj, decoder, config)
    images = image_config(tower, tokenizer.vocabulary.ids)
    built_tokenizer = tokenizer.build()
    layers = smooth_layers(model, decoder, config, built_tokenizer, weights, report)
    write = write_graph if tower is None else partial(write_image_graphs, tower)
    write(target, model, decoder, config, weights, layers, report)
    built_tokenizer.save(str(target / "tokenizer.json"), pretty=False)
    if not write_chat_template(target, model):
        logger.warning("%s has no chat template: only text completion will work", model.path)
    write_configs(target, tokenizer.vocabulary, config.to_json(decoder) | images, recommended_sampling(model))
    description = describe(
        name=name or model.string("general.name", source.stem),
        task=GENERATE,
        context_length=config.max_position_embeddings,
        weights=SCHEMES[weights].written_as,
        source=source,
        sha256=sha256,
    )
    write_json(target / "jan_ort.json", description)
    report(STAGE, 1.0)


def check_gguf(source: Path, weights: str, memory_limit_mb: int | None = None, mmproj: Path | None = None) -> None:
    """Read the headers, and check all that they say and a conversion needs; a few tenths of a second.

    Raises: ConversionError if the file cannot be served with ``weights``.
    """
    model = GgufFile(source)
    model.expect_weights()
    scheme = next((each for each in SCHEMES if each == weights), None)
    if scheme is not None:
        decoder = _read_architecture(model)
        config = check_model(model, decoder, scheme, memory_limit_mb)
        tokenizer = read_tokenizer(model, config.vocab_size)
        if mmproj is not None:
            image_config(open_tower(mmproj, decoder, config), tokenizer.vocabulary.ids)


def _read_architecture(model: GgufFile) -> Decoder:
    name, supported = model.string("general.architecture"), decoders()
    if name not in supported:
        model.refuse(
            f"architecture {name!r} is not supported; supported: {', '.join(supported)}; use an ONNX repository of "
            "the model, or --backend llama_cpp --weights as-is"
        )
    return supported[name]


def read_tokenizer(model: GgufFile, num_embeddings: int) -> GgufTokenizer:
    """Return the tokenizer of a file with so many embeddings. Raises: ConversionError."""
    tokenizer = GgufTokenizer(model)
    if (num_tokens := len(tokenizer.vocabulary.tokens)) > num_embeddings:
        model.refuse(f"{num_tokens} tokens but only {num_embeddings} embeddings; the file is damaged")
    return tokenizer
