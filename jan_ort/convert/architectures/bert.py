"""The sentence-transformers folder of a BERT model: its configuration, checked before anything is converted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jan_ort.ground.errors import ConversionError

_POOLING_KEYS = "pooling_mode_"
_POOLINGS: dict[str, Literal["mean", "cls"]] = {"mean_tokens": "mean", "cls_token": "cls", "mean": "mean", "cls": "cls"}
_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
_SUPPORTED_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class BertConfig:
    """The sizes of a BERT encoder and what is done with its last hidden state.

    ``context_length`` counts tokens including [CLS] and [SEP]. Source: Devlin et al. 2018, arXiv:1810.04805; the names
    are those of the Hugging Face config.json.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    context_length: int
    pooling: Literal["mean", "cls"]
    normalize: bool


def read_json(path: Path) -> Any:
    """Return the parsed file. Raises: ConversionError naming it if it is missing or no JSON."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConversionError(f"{path} is missing: a sentence-transformers folder needs it") from None
    except ValueError as error:
        raise ConversionError(f"{path} is no JSON ({error}); fetch it again") from error


def read_bert_config(folder: Path) -> BertConfig:
    """Read the configuration files of the sentence-transformers ``folder``.

    Raises: ConversionError naming what is missing, or what is not supported: an architecture other than BertModel,
    an activation other than gelu, a pooling other than mean and cls, a module beyond Pooling and Normalize.
    """
    config = read_json(folder / "config.json")
    _check_architecture(folder, config)
    modules = _read_modules(folder)
    _check_prompt(folder)
    sizes = _read_sizes(folder, config)
    return BertConfig(
        **sizes,
        type_vocab_size=int(config.get("type_vocab_size", 2)),
        layer_norm_eps=float(config.get("layer_norm_eps", 1e-12)),
        context_length=_read_context_length(folder, sizes["max_position_embeddings"]),
        pooling=_read_pooling(folder / modules["Pooling"] / "config.json"),
        normalize="Normalize" in modules,
    )


def _read_sizes(folder: Path, config: dict[str, Any]) -> dict[str, int]:
    path = folder / "config.json"
    missing = [name for name in _SIZES if not isinstance(config.get(name), int)]
    if missing:
        raise ConversionError(f"{path} does not say {', '.join(missing)}; fetch it again")
    sizes: dict[str, int] = {name: config[name] for name in _SIZES}
    if min(sizes.values()) < 1 or sizes["hidden_size"] % sizes["num_attention_heads"]:
        raise ConversionError(f"{path} gives impossible sizes: {sizes}; fetch it again")
    return sizes


def _check_architecture(folder: Path, config: dict[str, Any]) -> None:
    model_type = config.get("model_type")
    if model_type != "bert":
        raise ConversionError(f"{folder}: architecture {model_type!r} is not supported; supported: bert")
    if (activation := config.get("hidden_act", "gelu")) != "gelu":
        raise ConversionError(f"{folder}: hidden_act {activation!r} is not supported; supported: gelu")
    if (position := config.get("position_embedding_type", "absolute")) != "absolute":
        raise ConversionError(f"{folder}: position_embedding_type {position!r} is not supported; supported: absolute")


def _check_prompt(folder: Path) -> None:
    """Refuse a model whose every text gets a prompt in front, rather than leave it out silently."""
    path = folder / "config_sentence_transformers.json"
    if path.exists() and (prompt := read_json(path).get("default_prompt_name")):
        raise ConversionError(f"{path}: default_prompt_name {prompt!r} is not supported; supported: none")


def _read_modules(folder: Path) -> dict[str, str]:
    """Return the folder of each module by its class name."""
    modules = {module["type"].rpartition(".")[2]: module["path"] for module in read_json(folder / "modules.json")}
    unknown = [name for name in modules if name not in _SUPPORTED_MODULES]
    if unknown:
        supported = ", ".join(_SUPPORTED_MODULES)
        raise ConversionError(
            f"{folder / 'modules.json'}: module {unknown[0]!r} is not supported; supported: {supported}"
        )
    if "Pooling" not in modules:
        raise ConversionError(f"{folder / 'modules.json'} names no Pooling module; supported poolings: mean, cls")
    return modules


def _read_pooling(path: Path) -> Literal["mean", "cls"]:
    """Return the one pooling that is switched on; several at once (concatenated vectors) are refused."""
    config = read_json(path)
    chosen = [key.removeprefix(_POOLING_KEYS) for key, on in config.items() if key.startswith(_POOLING_KEYS) and on]
    if isinstance(mode := config.get("pooling_mode"), str):  # the spelling of sentence-transformers from 5.3
        chosen = [mode]
    if len(chosen) != 1 or chosen[0] not in _POOLINGS:
        raise ConversionError(
            f"{path}: pooling {' + '.join(chosen) or 'none'!r} is not supported; supported: mean, cls"
        )
    return _POOLINGS[chosen[0]]


def _read_context_length(folder: Path, max_positions: int) -> int:
    """Return the number of tokens that the model was trained to see, or all positions where nothing is said."""
    path = folder / "sentence_bert_config.json"
    limit = read_json(path).get("max_seq_length") if path.exists() else None
    return min(int(limit or max_positions), max_positions)
