"""The experts of a Hugging Face checkpoint, of which each kind of matrix becomes one tensor, as in GGUF files.

So do the norms of single heads (StableLM 2 12B).

Source: models/gpt_oss/modeling_gpt_oss.py and integrations/mxfp4.py of transformers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.inputs.ggml_codes import GGML_BLOCK
from jan_ort.convert.inputs.safetensors_shards import ShardTensor
from jan_ort.ground.model_errors import ConversionError

MXFP4 = "MXFP4"
"""The type of a tensor that is made of blocks of 4 bits and their scales."""

_ONE = re.compile(r"(.*\.(?:experts|norms))\.(\d+)\.(.*)")
_FUSED = re.compile(r"(.*\.experts)\.(gate_up|down)_proj(?:_(bias|blocks|scales))?")
_SINKS = re.compile(r".*\.sinks")


def gathered(tensors: Mapping[str, ShardTensor], *, standing: bool) -> dict[str, ShardTensor]:
    """Return tensors by names without experts' numbers. ``standing``: they are gpt-oss', see :class:`HfLayout`.

    Raises: ConversionError if an expert is missing or other than the rest.
    """
    found: dict[str, ShardTensor] = {}
    experts: dict[str, dict[int, ShardTensor]] = {}
    for name, tensor in tensors.items():
        if one := _ONE.fullmatch(name):
            experts.setdefault(f"{one[1]}.{one[3]}", {})[int(one[2])] = tensor
        elif match := _FUSED.fullmatch(name):
            found |= _unfused(match[1], match[2], match[3] or "weight", tensor, tensors, standing)
        else:
            found[f"{name}.weight" if standing and _SINKS.fullmatch(name) else name] = tensor
    return found | {name: _stacked(name, each) for name, each in experts.items()}


def _stacked(name: str, experts: Mapping[int, ShardTensor]) -> ShardTensor:
    """Return a tensor whose values are a list, of an array for each expert."""
    first = next(iter(experts.values()))
    if sorted(experts) != list(range(len(experts))):
        raise ConversionError(
            f"{first.path}: {name[:200]!r} lacks one of several; the files are incomplete, download them"
        )
    tensors = [experts[number] for number in range(len(experts))]
    if any((each.shape, each.dtype) != (first.shape, first.dtype) for each in tensors):
        raise ConversionError(f"{first.path}: {name[:200]!r} has parts of several shapes; the files are damaged")
    values: Any = None if first.values is None else [each.values for each in tensors]
    return ShardTensor(first.path, first.dtype, (len(tensors), *first.shape), values)


def _unfused(
    stem: str, role: str, kind: str, tensor: ShardTensor, tensors: Mapping[str, ShardTensor], standing: bool
) -> dict[str, ShardTensor]:
    """Return a tensor with its rows first; gate and way up, which take turns or are its halves, as two."""
    values: Any = tensor.values
    if kind == "scales":
        return {}  # the blocks have been joined with them
    if kind == "blocks":
        dtype, values, kind = MXFP4, _Mxfp4.joined(stem, role, tensor, tensors), "weight"
    elif values is None or values.ndim != (2 if kind == "bias" else 3):
        raise ConversionError(f"{tensor.path}: the experts {stem[:200]!r} are {tensor.dtype[:20]} {tensor.shape}")
    else:
        dtype, values = tensor.dtype, values.swapaxes(1, 2) if standing and kind != "bias" else values
    if role == "down":
        return {f"{stem}.down_proj.{kind}": ShardTensor(tensor.path, dtype, values.shape, values)}
    half = values.shape[1] // 2
    first, second = (slice(0, None, 2), slice(1, None, 2)) if standing else (slice(half), slice(half, None))
    halves = {"gate": values[:, first], "up": values[:, second]}
    return {f"{stem}.{each}_proj.{kind}": ShardTensor(tensor.path, dtype, v.shape, v) for each, v in halves.items()}


class _Mxfp4:
    """Blocks of 32 values, uint8 ``(experts, rows, num_blocks, 16)``, and their scales; one expert is read at once."""

    def __init__(self, blocks: NDArray[np.uint8], scales: NDArray[np.uint8]) -> None:
        self._blocks, self._scales = blocks, scales
        self.shape = (*blocks.shape[:2], blocks.shape[2] * GGML_BLOCK)

    @classmethod
    def joined(cls, stem: str, role: str, blocks: ShardTensor, tensors: Mapping[str, ShardTensor]) -> _Mxfp4:
        """Find the scales. Raises: ConversionError if the two do not fit."""
        scales = tensors.get(f"{stem}.{role}_proj_scales")
        if (
            scales is None
            or blocks.values is None
            or scales.values is None
            or (blocks.dtype, scales.dtype) != ("U8", "U8")
            or blocks.shape != (*scales.shape, GGML_BLOCK // 2)
            or len(scales.shape) != 3
        ):
            raise ConversionError(f"{blocks.path}: the blocks of {stem[:200]!r} have no scales that fit; download it")
        return cls(blocks.values, scales.values)

    def __getitem__(self, key: Any) -> Any:
        """Return some rows of all experts, or those of one as ggml stores them."""
        if isinstance(key, tuple):
            return _Mxfp4(self._blocks[key], self._scales[key])
        packed = self._blocks[key]  # neighbours share a byte; ggml pairs a value with the 16th after it
        codes = np.stack((packed & 15, packed >> 4), axis=-1).reshape(*packed.shape[:-1], GGML_BLOCK)
        low, high = np.split(codes, 2, axis=-1)
        blocks = np.concatenate([self._scales[key][..., np.newaxis], low | high << 4], axis=-1)
        return blocks.reshape(len(blocks), -1)
