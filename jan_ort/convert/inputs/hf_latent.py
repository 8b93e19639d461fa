"""Latent attention in a Hugging Face checkpoint: the matrix that makes keys and values of vectors, as the two it is.

Source: models/deepseek_v3/modeling_deepseek_v3.py of transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jan_ort.convert.inputs.safetensors_shards import ShardTensor
from jan_ort.ground.model_errors import ConversionError

_BOTH, _CORRECTION = ".kv_b_proj.weight", ".gate.e_score_correction_bias"


def parted(tensors: Mapping[str, ShardTensor], heads: int, still: int, value: int) -> dict[str, ShardTensor]:
    """Return tensors with keys and values apart, an axis for the heads, and a router's correction as a bias.

    Args: still: how many values of a head's key are made of a vector. Raises: ConversionError if sizes do not fit.
    """
    found: dict[str, ShardTensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(_CORRECTION):
            found[f"{name.removesuffix(_CORRECTION)}.gate_correction.bias"] = tensor
        elif name.endswith(_BOTH):
            if tensor.values is None or len(tensor.shape) != 2 or tensor.shape[0] != heads * (still + value):
                raise ConversionError(f"{tensor.path}: {name[:200]!r} is {tensor.dtype[:20]} {tensor.shape}")
            each: Any = tensor.values.reshape(heads, still + value, -1)
            stem = name.removesuffix(_BOTH)
            for kind, values in (("keys", each[:, :still].swapaxes(1, 2)), ("values", each[:, still:])):
                found[f"{stem}.latent_{kind}.weight"] = ShardTensor(tensor.path, tensor.dtype, values.shape, values)
        else:
            found[name] = tensor
    return found
