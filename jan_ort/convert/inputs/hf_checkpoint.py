"""A Hugging Face checkpoint, read as if it were a GGUF file: its keys and tensors under the names of the recipes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.hf_layout import HfLayout
from jan_ort.convert.inputs.checkpoint import Checkpoint, ModelTensor
from jan_ort.convert.inputs.hf_config import read_hf_config
from jan_ort.convert.inputs.hf_experts import MXFP4, gathered
from jan_ort.convert.inputs.hf_latent import parted
from jan_ort.convert.inputs.hf_wrapper import text_tensors
from jan_ort.convert.inputs.safetensors_shards import FLOATS, ShardTensor, read_shards

_LAYER = re.compile(r"\.(\d+)\.")
_TRANSPOSED = ("qkv", "attention_output", "gate", "up", "down")
_QUANTISED = (
    *(".qweight", ".qzeros", ".g_idx", ".scales", ".biases", ".weight_scale", ".weight_scale_inv", ".weight_packed"),
    *(".input_scale", ".absmax", ".quant_map", ".SCB"),
)
"""Of GPTQ, AWQ, MLX, FP8, compressed-tensors and bitsandbytes."""

# Buffers of old versions, which transformers passes over, too.
_BUFFERS = re.compile(r".*(\.rotary_emb\.inv_freq|\.attn\.(masked_)?bias)")


class HfCheckpoint(Checkpoint):
    """The folder ``path`` with safetensors weights, of the architecture that ``layout`` says.

    ``config`` is what config.json says of the text model; ``is_wrapped``: there are tensors of another model around it.
    ``headless``: it may lack a head, whatever config.json says.
    """

    incomplete = "the folder is incomplete, download it again"
    rounds_to_4bit = True

    def __init__(
        self,
        path: Path,
        config: dict[str, Any],
        layout: HfLayout,
        is_wrapped: bool = False,
        *,
        headless: bool = False,
    ) -> None:
        read = read_hf_config(path / "config.json", config, layout)
        super().__init__(path, read.fields)
        self.decoder, self._layout, self._spellings = read.decoder, layout, read.spellings
        self._stored: dict[str, ShardTensor] = {}
        self._roles: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._factors = {
            f"{getattr(self.decoder.tensors, role)}.weight": values for role, values in read.factors.items()
        }
        stored = text_tensors(read_shards(path)) if is_wrapped else read_shards(path)
        if self.decoder.latent:
            stored = self._parted(stored)
        self._name_tensors(gathered(stored, standing=layout.standing_experts), None if headless else read.tied)
        self._shapes = {name: self._shape_of(name) for name in self._stored}
        self._shapes |= {name: values.shape for name, values in self._factors.items()}

    def _parted(self, stored: dict[str, ShardTensor]) -> dict[str, ShardTensor]:
        names = ("attention.key_length_mla", "rope.dimension_count", "attention.value_length_mla")
        whole, rotating, value = (self.integer(self.decoder.key(name)) for name in names)
        return parted(stored, self.integer(self.decoder.key("attention.head_count")), whole - rotating, value)

    def _name_tensors(self, stored: Mapping[str, ShardTensor], tied: bool | None) -> None:
        """Find each tensor's name in the recipe. Raises: ConversionError if one has none."""
        base = "" if self._has_prefix(stored) else next(iter(self._layout.tensors)).partition(".")[0] + "."
        for name, tensor in stored.items():
            stem, _, kind = name.rpartition(".")
            stem, suffix = (stem, f".{kind}") if kind in ("weight", "bias") else (name, "")
            found = _LAYER.search(stem)
            template = _LAYER.sub(".{layer}.", stem, count=1) if found else stem
            role = self._layout.tensors.get(template) or self._layout.tensors.get(base + template, "")
            is_passed_over = name.startswith(self._layout.passed_over) or _BUFFERS.fullmatch(name)
            if (role == "head" and tied) or is_passed_over:
                continue
            ours = getattr(self.decoder.tensors, role) if role else ""
            if not ours:
                self._refuse_quantised(name)
                self.refuse(
                    f"tensor {name[:200]!r} belongs to no part of a {self._layout.model_type} model that is supported; "
                    "use another model"
                )
            full = f"{ours.format(layer=int(found[1]) if found else 0)}{suffix}"
            self._stored[full], self._roles[full], self._names[full] = tensor, role, name
        if tied is False and f"{self.decoder.tensors.head}.weight" not in self._stored:
            self.refuse("tensor 'lm_head.weight' is missing, and config.json says that it is not the embedding")

    def _refuse_quantised(self, name: str) -> None:
        """Refuse a tensor by which weights are quantised, where config.json says nothing of it."""
        if name.endswith(_QUANTISED):
            self.refuse(
                f"the weights are quantised for other programs (there is a tensor {name[:200]!r}); take the repository "
                "that they were made of, or a GGUF file of the model"
            )

    def _has_prefix(self, stored: Mapping[str, ShardTensor]) -> bool:
        return f"{next(iter(self._layout.tensors))}.weight" in stored

    def _shape_of(self, name: str) -> tuple[int, ...]:
        shape = self._stored[name].shape
        if self._roles[name] == "convolution" and len(shape) == 3 and shape[1] == 1:
            return shape[0], shape[2]  # torch's has a dimension for each group's inputs, of which there is one
        return shape[::-1] if self._is_transposed(name) else shape

    def _is_transposed(self, name: str) -> bool:
        is_matrix = self._roles[name] in _TRANSPOSED and name.endswith(".weight")
        return self._layout.transposed and is_matrix

    def spelled(self, key: str) -> str:
        """Return what to call a key in errors: by its name in config.json."""
        return f"config.json's {self._spellings.get(key, key)!r}"

    def spelled_tensor(self, name: str) -> str:
        """Return a tensor's name in the checkpoint, also of one that is missing."""
        if name in self._names:
            return self._names[name]
        stem, _, kind = name.rpartition(".")
        layer = re.search(r"\d+", stem)
        for theirs, role in self._layout.tensors.items():
            ours = getattr(self.decoder.tensors, role)
            if ours and ours.format(layer=layer[0] if layer else 0) == stem:
                return f"{theirs.format(layer=layer[0] if layer else 0)}.{kind}"
        return name

    @property
    def size_bytes(self) -> int:
        """The size of all files with weights."""
        return sum(path.stat().st_size for path in {tensor.path for tensor in self._stored.values()})

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shape of each tensor, outermost dimension first."""
        return self._shapes

    def has_4bit_tensors(self) -> bool:
        """Say whether any tensor is stored in 4 bits."""
        return any(tensor.dtype == MXFP4 for tensor in self._stored.values())

    def check_types(self) -> None:
        """Refuse the checkpoint if any tensor has a type that cannot be read."""
        for name in self._stored:
            self._values(name)

    def _values(self, name: str) -> Any:
        tensor = self._stored[name]
        if tensor.values is None or tensor.dtype not in (*FLOATS, MXFP4):
            self.refuse(
                f"tensor {self.spelled_tensor(name)!r} has the type {tensor.dtype[:20]}, which is not supported "
                f"(supported: {', '.join(FLOATS)}); use a repository that is not quantised, or a GGUF file"
            )
        return tensor.values

    def _load(self, name: str) -> ModelTensor:
        """Return a tensor as the recipe has it; unless it must be changed, it stays in the file."""
        kind = ""
        if name in self._factors:
            values: Any = self._factors[name]
        else:
            values, role = self._values(name), self._roles[name]
            kind = MXFP4 if self._stored[name].dtype == MXFP4 else ""
            if self._is_transposed(name):
                values = values.T
            if role.endswith("norm") and name.endswith(".weight") and self._layout.norm_offset:
                values = values.astype(np.float32) + np.float32(self._layout.norm_offset)
            if role == "decay_rate":
                values = -np.exp(values.astype(np.float64)).astype(np.float32)  # the same on every processor
            if role == "qkv" and self._layout.grouped_qkv:
                values = self._ungrouped(values)
        return ModelTensor(self.path, self.spelled_tensor(name), kind, self._shapes[name], values)

    def _ungrouped(self, values: NDArray[Any]) -> NDArray[Any]:
        """Bring all queries first, then all keys, then all values."""
        heads = self.integer(self.decoder.key("attention.head_count"))
        groups = self.integer(self.decoder.key("attention.head_count_kv"), heads)
        if len(values) % max(1, heads + 2 * groups) or heads % groups:
            self.refuse(f"a fused projection of {len(values)} rows does not hold {heads} and twice {groups} heads")
        shared = heads // groups + 2
        grouped = values.reshape(groups, shared, -1, *values.shape[1:])
        parts = (grouped[:, :-2], grouped[:, -2:-1], grouped[:, -1:])
        return np.concatenate([part.reshape(-1, *values.shape[1:]) for part in parts])
