"""Record what transformers computes of the small GGUF models that read images: tests/fixtures/image_ggufs/NAME.json.

``python -m scripts.record_image_ggufs``, in an environment with transformers 5, torch, torchvision, pillow and gguf.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader

from scripts.record_image_models import KINDS, golden
from tests.fixtures.image_ggufs import FOLDER, SIZES, write
from tests.fixtures.image_ggufs import KINDS as GGUFS

_TEXT: Mapping[str, str] = MappingProxyType(
    {
        "token_embd": "embed_tokens",
        "output_norm": "norm",
        "attn_norm": "input_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm",
        "post_attention_norm": "post_attention_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
)
_SIGLIP: Mapping[str, str] = MappingProxyType(
    {
        "patch_embd": "embeddings.patch_embedding",
        "position_embd": "embeddings.position_embedding",
        "post_ln": "post_layernorm",
        "ln1": "layer_norm1",
        "ln2": "layer_norm2",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_out": "self_attn.out_proj",
        "ffn_up": "mlp.fc1",
        "ffn_down": "mlp.fc2",
    }
)
_QWEN: Mapping[str, str] = MappingProxyType(
    {
        "patch_embd": "patch_embed.proj",
        "post_ln": "merger.ln_q",
        "mm.0": "merger.mlp.0",
        "mm.2": "merger.mlp.2",
        "ln1": "norm1",
        "ln2": "norm2",
        "attn_q": "attn.qkv",
        "attn_k": "attn.qkv",
        "attn_v": "attn.qkv",
        "attn_out": "attn.proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
)
_QWEN_PLAIN: Mapping[str, str] = MappingProxyType({"ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2"})
_PROJECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "mm.model.fc.weight": "model.connector.modality_projection.proj.weight",
        "mm.input_projection.weight": "model.multi_modal_projector.mm_input_projection_weight",
        "mm.soft_emb_norm.weight": "model.multi_modal_projector.mm_soft_emb_norm.weight",
    }
)

Values = np.ndarray[Any, Any]


def tensors(path: Path) -> dict[str, Values]:
    """Return a file's tensors in float32, outermost dimension first."""
    return {each.name: np.array(each.data, np.float32) for each in GGUFReader(path).tensors}


def renamed(found: Mapping[str, Values], name: str) -> dict[str, Values]:
    """Return the tensors of both files as transformers has them; what is one there is put together."""
    parts: dict[str, list[Values]] = {}
    for tensor, values in found.items():
        is_tower = tensor.startswith(("v.", "mm."))
        place, own = (of_tower if is_tower else of_text)(tensor, values, name)
        parts.setdefault(place, []).append(own)
    return {place: joined(each) for place, each in parts.items()}


def joined(parts: list[Values]) -> Values:
    """Return a patch's weights with their two moments, or rows of queries, keys and values."""
    if len(parts) == 1:
        return parts[0]
    return np.stack(parts, 2) if parts[0].ndim == 4 else np.concatenate(parts)


def split(tensor: str) -> tuple[str, str, str]:
    """Return what stands before a tensor's part of a layer, that part, and "weight" or "bias"."""
    matched = re.fullmatch(r"(?:v\.)?(?:blk\.(\d+)\.)?(.+?)\.(weight|bias)(?:\.1)?", tensor)
    assert matched is not None, tensor
    layer, part, kind = matched.groups()
    return "" if layer is None else f"layers.{layer}.", part, kind


def of_text(tensor: str, values: Values, name: str) -> tuple[str, Values]:
    """Return a decoder's tensor; Gemma's norms have a 1 added, Llama's rotating pairs lie side by side."""
    layer, part, kind = split(tensor)
    if name == "gemma3" and "norm" in part:
        values = values - 1
    if name == "idefics3" and part in ("attn_q", "attn_k"):
        values = unpaired(values)
    if part == "output":
        return "lm_head.weight", values
    place = "pre_feedforward_layernorm" if name == "gemma3" and part == "ffn_norm" else _TEXT[part]
    return f"{'model.text_model' if name == 'idefics3' else 'model.language_model'}.{layer}{place}.{kind}", values


def unpaired(values: Values) -> Values:
    """Return rows of queries or keys in the order of transformers: what rotates together lies half a head apart."""
    size = SIZES.head_dim
    return values.reshape(-1, size // 2, 2, values.shape[1]).swapaxes(1, 2).reshape(values.shape)


def of_tower(tensor: str, values: Values, name: str) -> tuple[str, Values]:
    """Return a tower's tensor, or one of the projection's."""
    if name.startswith("qwen"):
        return of_qwen(tensor, name), values
    if tensor in _PROJECTIONS:
        return _PROJECTIONS[tensor], values - ("norm" in tensor)
    layer, part, kind = split(tensor)
    tower = "vision_tower" if name == "gemma3" else "vision_model"
    return f"model.{tower}.{f'encoder.{layer}' if layer else ''}{_SIGLIP[part]}.{kind}", values


def of_qwen(tensor: str, name: str) -> str:
    """Return what a tensor of Qwen2-VL's kinds is called."""
    layer, part, kind = split(tensor)
    parts = {**_QWEN, **(_QWEN_PLAIN if name == "qwen2_vl" else {})}
    return f"model.visual.{layer.replace('layers', 'blocks')}{parts[part]}.{kind}"


def main() -> None:
    """Record all models, or those that are named."""
    for name in sys.argv[1:] or GGUFS:
        model, processor = KINDS[name].make()
        with tempfile.TemporaryDirectory() as folder:
            found = {key: values for path in write(name, Path(folder)) for key, values in tensors(path).items()}
        state = {key: torch.from_numpy(np.ascontiguousarray(values)) for key, values in renamed(found, name).items()}
        if "lm_head.weight" not in state:
            state["lm_head.weight"] = state["model.language_model.embed_tokens.weight"]
        rows = len(state["lm_head.weight"])
        model.resize_token_embeddings(rows)
        model.load_state_dict(state)
        recorded = golden(name, model.eval().float(), processor)
        (FOLDER / f"{name}.json").write_text(json.dumps(recorded) + "\n")
        print(name, sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main()
