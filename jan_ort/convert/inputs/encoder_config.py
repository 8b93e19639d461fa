"""The sizes of an encoder, from config.json or a GGUF file's metadata; what would change the vectors is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jan_ort.convert.architectures.decoder import HARMLESS_KEYS, NEUTRAL_VALUES
from jan_ort.convert.architectures.encoder import Activation, Encoder, EncoderConfig
from jan_ort.convert.architectures.hf_layout import HARMLESS, NEUTRAL
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.inputs.hf_keys import HfKeys
from jan_ort.ground.model_errors import ConversionError

_SIZES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "vocab_size": ("vocab_size",),
        "hidden_size": ("hidden_size", "dim", "n_embd"),
        "num_hidden_layers": ("num_hidden_layers", "n_layers", "n_layer"),
        "num_attention_heads": ("num_attention_heads", "n_heads", "n_head"),
        "intermediate_size": ("intermediate_size", "hidden_dim", "n_inner"),
        "max_position_embeddings": ("max_position_embeddings", "n_positions"),
        "type_vocab_size": ("type_vocab_size",),
    }
)
"""The sizes, each with its names in the config.json of one model or another."""

_EPSILON = ("layer_norm_eps", "layer_norm_epsilon", "norm_eps")
_ACTIVATION = ("hidden_act", "activation", "hidden_activation", "activation_function")
_ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "gelu": "gelu",
        "gelu_new": "gelu_pytorch_tanh",
        "gelu_pytorch_tanh": "gelu_pytorch_tanh",
        "relu": "relu",
        "silu": "silu",
        "swish": "silu",
        "swiglu": "silu",
    }
)
_NEUTRAL: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {**NEUTRAL, "is_decoder": (False,), "position_embedding_type": ("absolute",), "pruned_heads": ({},)}
)
_HARMLESS_HERE = (
    "attention_probs_dropout_prob hidden_dropout_prob gradient_checkpointing output_past directionality pooler_fc_size "
    "pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type tie_word_embeddings "
    "sentence_transformers sbert_ce_default_activation_function is_matryoshka matryoshka_dimensions "
    "model_max_length model_name"
)
_HARMLESS = (HARMLESS - {"is_decoder", "pruned_heads"}) | frozenset(_HARMLESS_HERE.split())
_WINDOWED = {"full_attention": False, "sliding_attention": True}


def read_hf_encoder(path: Path, config: dict[str, Any], encoder: Encoder, *, scores: bool) -> EncoderConfig:
    """Read the content of config.json, which is ``path``. ``scores``: the model has a head.

    Raises: ConversionError naming what is missing, or a key that would change the vectors and is not supported.
    """
    keys = HfKeys(path, config)
    sizes = _read_sizes(keys, encoder)
    num_layers, padding = sizes["num_hidden_layers"], 0
    if encoder.past_padding:
        padding = 1 + keys.integer("pad_token_id", encoder.defaults.get("pad_token_id"))
    for key, accepted in {**_NEUTRAL, **encoder.neutral}.items():
        if key in keys and (value := keys.take(key)) not in accepted:
            keys.refuse(key, value, f"supported: {' or '.join(map(str, accepted))}")
    head_dim = sizes["hidden_size"] // sizes["num_attention_heads"]
    if keys.integer("head_dim", head_dim) != head_dim:
        keys.refuse("head_dim", keys.take("head_dim"), f"supported: {head_dim}")
    local = _read_local(keys, encoder, num_layers)
    window = keys.integer("local_attention", encoder.defaults.get("local_attention", 0)) // 2
    pooling = keys.string("classifier_pooling", "cls")
    if pooling not in ("cls", "mean"):
        keys.refuse("classifier_pooling", pooling, "supported: cls or mean")
    result = EncoderConfig(
        vocab_size=sizes["vocab_size"],
        hidden_size=sizes["hidden_size"],
        num_hidden_layers=num_layers,
        num_attention_heads=sizes["num_attention_heads"],
        intermediate_size=sizes["intermediate_size"],
        num_positions=sizes["max_position_embeddings"] - padding,
        type_vocab_size=sizes["type_vocab_size"],
        layer_norm_eps=_read_epsilon(keys, encoder),
        activation=_read_activation(keys, encoder),
        windows=tuple(window if each else 0 for each in local),
        thetas=_read_thetas(keys, encoder, local),
        first_position=padding,
        num_labels=_num_labels(keys) if scores else 0,
        head_pooling="mean" if pooling == "mean" else "cls",
    )
    keys.refuse_untaken(_HARMLESS | encoder.harmless)
    return result


def _taken(keys: HfKeys, names: tuple[str, ...], default: Any = None) -> tuple[str, Any]:
    """Return the first of several names that is there, with its value; the others must say the same."""
    there = [each for each in names if each in keys]
    name, value = (there or names)[0], keys.take((there or names)[0], default)
    for other in there[1:]:
        if (found := keys.take(other)) != value:
            keys.refuse(other, found, f"{name} is {value}, and both mean the same")
    return name, value


def _read_sizes(keys: HfKeys, encoder: Encoder) -> dict[str, int]:
    optional = {"type_vocab_size": 0, "intermediate_size": None, **encoder.defaults}
    sizes = {each: _taken(keys, names, optional.get(each))[1] for each, names in _SIZES.items()}
    if sizes["intermediate_size"] is None and type(sizes["hidden_size"]) is int and encoder.gguf == "nomic-bert":
        sizes["intermediate_size"] = 4 * sizes["hidden_size"]
    if missing := [name for name, size in sizes.items() if type(size) is not int]:
        raise ConversionError(f"{keys.path} does not say {', '.join(missing)}; download it again")
    must = [size for name, size in sizes.items() if name != "type_vocab_size"]
    if min(must) < 1 or max(must) >= 2**31 or sizes["hidden_size"] % sizes["num_attention_heads"]:
        raise ConversionError(f"{keys.path} gives impossible sizes: {str(sizes)[:500]}; download it again")
    return sizes


def _read_epsilon(keys: HfKeys, encoder: Encoder) -> float:
    name, value = _taken(keys, _EPSILON, encoder.defaults.get("layer_norm_eps"))
    if type(value) not in (int, float) or not 0 < value < 1:
        keys.refuse(name, value, "no number from 0 to 1; download it again")
    return float(value)


def _read_activation(keys: HfKeys, encoder: Encoder) -> Activation:
    name, value = _taken(keys, _ACTIVATION, encoder.defaults.get("activation"))
    if not isinstance(value, str) or value not in _ACTIVATIONS:
        keys.refuse(name, value, f"it is not supported; supported: {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[value]


def _read_local(keys: HfKeys, encoder: Encoder, num_layers: int) -> list[bool]:
    """Return which layers have a window."""
    if "local_attention" not in encoder.defaults:
        return [False] * min(num_layers, 2**16)
    types = keys.take("layer_types")
    period = keys.integer("global_attn_every_n_layers", encoder.defaults.get("global_attn_every_n_layers"))
    if types is None:
        return [bool(period) and layer % period != 0 for layer in range(min(num_layers, 2**16))]
    if not isinstance(types, list) or len(types) != num_layers or not all(map(_WINDOWED.__contains__, map(str, types))):
        keys.refuse("layer_types", types, f"expected one of {', '.join(_WINDOWED)} for each of {num_layers} layers")
    return [_WINDOWED[each] for each in types]


def _read_thetas(keys: HfKeys, encoder: Encoder, local: list[bool]) -> tuple[float, ...]:
    """Return each layer's rotary base."""
    if not encoder.rotates:
        return (0.0,) * len(local)
    stated = keys.objects("rope_parameters")
    whole = stated.objects("full_attention") if "full_attention" in stated else stated
    own = stated.objects("sliding_attention")
    for each in (whole, own):
        if (kind := each.string("rope_type", "default")) != "default":
            each.refuse("rope_type", kind, "supported: default")
    theta = whole.number("rope_theta", _taken(keys, ("rotary_emb_base", "global_rope_theta"), encoder.theta)[1])
    is_same = keys.names("local_rope_theta") and "local_rope_theta" not in keys  # null: as the others
    local_theta = own.number("rope_theta", keys.number("local_rope_theta", theta if is_same else encoder.local_theta))
    for each in (stated, whole, own):
        each.refuse_untaken()
    return tuple(local_theta if each else theta for each in local)


def _num_labels(keys: HfKeys) -> int:
    """Return how many numbers the head gives, as transformers takes it."""
    labels = keys.take("id2label")
    return len(labels) if isinstance(labels, dict) else keys.integer("num_labels", 2)


_POOLING_TYPES = {1: "mean", 2: "cls", 3: "last", 4: "rank"}


def gguf_pooling(model: Checkpoint, architecture: str) -> str | None:
    """Return the pooling that a GGUF file states, "rank" of a head that scores pairs; None where it states none."""
    key = f"{architecture}.pooling_type"
    return _POOLING_TYPES.get(model.integer(key, 0, low=0, high=max(_POOLING_TYPES)))


def read_gguf_encoder(model: Checkpoint, encoder: Encoder, *, scores: bool = False) -> EncoderConfig:
    """Read the metadata of a GGUF file. Raises: ConversionError as :func:`read_hf_encoder`."""
    arch = encoder.gguf
    labels = model.num_rows("cls.output.weight") if scores else 0
    if labels > 1:
        model.refuse(f"its head gives {labels} numbers for a pair of texts; one that ranks gives 1")
    if model.boolean(f"{arch}.attention.causal", False):
        model.refuse(f"metadata key '{arch}.attention.causal' is true, which is not supported here")
    hidden_size = model.integer(f"{arch}.embedding_length")
    num_layers, num_heads = model.integer(f"{arch}.block_count"), model.integer(f"{arch}.attention.head_count")
    if hidden_size % num_heads or num_layers > 2**16:
        model.refuse(f"{num_heads} heads of {hidden_size} values in {num_layers} layers are impossible sizes")
    types = model.num_rows("token_types.weight") if model.has_tensor("token_types.weight") else 0
    config = EncoderConfig(
        vocab_size=model.num_rows("token_embd.weight"),
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        intermediate_size=model.integer(f"{arch}.feed_forward_length"),
        num_positions=model.integer(f"{arch}.context_length", high=2**20),
        type_vocab_size=types,
        layer_norm_eps=model.number(f"{arch}.attention.layer_norm_epsilon"),
        activation=_ACTIVATIONS[encoder.defaults["activation"]],
        windows=(0,) * num_layers,
        thetas=(model.number(f"{arch}.rope.freq_base", 10_000.0),) * num_layers,
        num_labels=labels,
    )
    sizes = {"attention.head_count_kv": (num_heads,), "rope.dimension_count": (config.head_dim,)}
    lengths = {f"attention.{each}_length": (config.head_dim,) for each in ("key", "value")}
    neutral = {"moe_every_n_layers": (0,), "rope.scaling.type": ("none",)}
    harmless = HARMLESS_KEYS | {"classifier.output_labels"}
    model.refuse_unread_keys(arch, harmless, {**NEUTRAL_VALUES, **neutral, **sizes, **lengths})
    return config
