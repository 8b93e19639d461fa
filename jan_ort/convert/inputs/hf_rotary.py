"""Rotary embeddings as config.json describes them, in llama.cpp's keys and tensors.

Source: modeling_rope_utils.py of transformers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.hf_layout import HfLayout
from jan_ort.convert.inputs.hf_keys import HfKeys

_TYPES = ("default", "linear", "llama3", "yarn", "longrope", "proportional")
_NEVER = 1e30
"""What divides the frequency of values that do not rotate."""

_DEFAULT_THETA = 10_000.0
_ORIGINAL = "original_max_position_embeddings"
_MAX_HEAD_DIM = 2**14
_HARMLESS = frozenset({"mrope_section", "mrope_interleaved", "finetuned"})
"""Which of an image's positions each pair rotates by (a text's are all the same), and how a model was trained."""


class HfRotary:
    """Fills in ``fields``, by keys without the architecture's name, and ``factors``, by fields of DecoderTensors."""

    def __init__(self, keys: HfKeys, layout: HfLayout, head_dim: int, context_length: int) -> None:
        self._layout, self._context_length = layout, context_length
        self.fields: dict[str, Any] = {}
        self.factors: dict[str, NDArray[np.float64]] = {}
        stated = keys.objects("rope_parameters")
        scaling, local = keys.objects("rope_scaling"), None
        if "full_attention" in stated or "sliding_attention" in stated:
            whole, local = stated.objects("full_attention").over(scaling), stated.objects("sliding_attention")
        else:
            whole = stated.replaced_by(scaling, keys)
        default = layout.defaults.get("rope_theta", _DEFAULT_THETA)
        theta = whole.number("rope_theta", keys.number("rope_theta", default))
        share = whole.number("partial_rotary_factor", keys.number("partial_rotary_factor", self._share()))
        if share > 1 or head_dim > _MAX_HEAD_DIM:
            keys.refuse("head_dim", head_dim, f"{share} of it cannot rotate")
        self._num_turning = int(share * head_dim // 2)
        is_proportional = whole.string("rope_type", "default") == "proportional"
        self._size, self._theta = head_dim if is_proportional else int(head_dim * share), theta
        self.fields |= {"rope.freq_base": theta}
        if self._size != head_dim:
            self.fields["rope.dimension_count"] = self._size
        self._original = keys.integer(_ORIGINAL, whole.integer(_ORIGINAL, context_length))  # the outer one goes first
        self._scale(whole, local is not None)
        self._add_local(keys, local)
        whole.refuse_untaken(_HARMLESS)
        stated.refuse_untaken(_HARMLESS)

    def _share(self) -> float:
        return float(self._layout.defaults.get("partial_rotary_factor", 1.0))

    def _add_local(self, keys: HfKeys, local: HfKeys | None) -> None:
        """Add the rotation of layers with a window, where it is another."""
        default = self._layout.defaults.get("rope_local_base_freq")
        theta = keys.number("rope_local_base_freq", default) if default else None
        if local is not None:
            if (kind := local.string("rope_type", "default")) != "default":
                local.refuse("rope_type", kind, "of layers with a window")
            theta = local.number("rope_theta", theta or self._theta)
            local.refuse_untaken()
        if theta is not None:
            self.fields["rope.freq_base_swa"] = theta

    def _scale(self, whole: HfKeys, is_nested: bool) -> None:
        old = whole.string("type", "default")
        kind = whole.string("rope_type", old)
        if kind == "su" or (kind == "yarn" and "long_factor" in whole):
            kind = "longrope"
        if kind not in _TYPES:
            whole.refuse("rope_type", kind, f"supported: {', '.join(_TYPES)}")
        if kind == "linear":
            self.fields |= {"rope.scaling.type": "linear", "rope.scaling.factor": whole.number("factor")}
        elif kind == "llama3":
            self.factors["rotary_factors"] = self._llama3(whole)
        elif kind == "proportional":
            self.factors["rotary_factors"] = self._proportional(whole.number("factor", 1.0))
        elif kind == "yarn":
            self._add_yarn(whole)
        elif kind == "longrope":
            self._add_longrope(whole)

    def _frequencies(self) -> NDArray[np.float64]:
        exponents = np.arange(0, self._size, 2, dtype=np.float64) / max(1, self._size)
        frequencies: NDArray[np.float64] = self._theta**-exponents
        return frequencies

    def _llama3(self, whole: HfKeys) -> NDArray[np.float64]:
        """Return what each frequency is divided by: high ones by 1, low ones by the factor, and a mean between."""
        factor, low, high = (whole.number(key) for key in ("factor", "low_freq_factor", "high_freq_factor"))
        turns = self._original * self._frequencies() / (2 * math.pi)  # in the original context
        if high <= low:
            whole.refuse("high_freq_factor", high, f"not above low_freq_factor, {low}")
        kept = np.clip((turns - low) / (high - low), 0, 1)
        divisors: NDArray[np.float64] = 1 / ((1 - kept) / factor + kept)
        return divisors

    def _proportional(self, factor: float) -> NDArray[np.float64]:
        """Return what each frequency is divided by: those of the whole head, of which the last ones rest."""
        return np.where(np.arange(self._size // 2) < self._num_turning, factor or 1.0, _NEVER)

    def _add_yarn(self, whole: HfKeys) -> None:
        factor = whole.number("factor")
        mscale, mscale_all = whole.number("mscale", 0.0), whole.number("mscale_all_dim", 0.0)
        attention = _grown(factor, mscale) / _grown(factor, mscale_all) if mscale and mscale_all else _grown(factor)
        attention = whole.number("attention_factor", attention)
        self.fields |= {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": factor,
            "rope.scaling.original_context_length": self._original,
            "rope.scaling.attn_factor": attention / _grown(factor),  # llama.cpp multiplies by the latter
            "rope.scaling.yarn_beta_fast": whole.number("beta_fast", 32.0),
            "rope.scaling.yarn_beta_slow": whole.number("beta_slow", 1.0),
            "rope.scaling.yarn_truncate": whole.boolean("truncate", True),
        }
        if self._layout.decoder.latent:  # the rest is in the scale of scores
            self.fields |= {"rope.scaling.attn_factor": attention, "rope.scaling.yarn_log_multiplier": mscale_all / 10}
        if "attention.temperature_scale" in self._layout.decoder.keys:
            self.fields["attention.temperature_scale"] = whole.number("llama_4_scaling_beta", 0.0)
            whole.integer("max_position_embeddings", 0)

    def _add_longrope(self, whole: HfKeys) -> None:
        self.factors["long_factors"] = whole.numbers("long_factor", self._size // 2)
        self.factors["short_factors"] = whole.numbers("short_factor", self._size // 2)
        factor = max(self._context_length / self._original, 1.0)
        whole.number("factor", 1.0)  # the share of the contexts is taken, where both are known
        attention = math.sqrt(1 + math.log(factor) / math.log(max(2, self._original)))
        self.fields |= {
            "rope.scaling.type": "longrope",
            "rope.scaling.original_context_length": self._original,
            "rope.scaling.attn_factor": whole.number("attention_factor", attention),
        }


def _grown(factor: float, multiplier: float = 1.0) -> float:
    return 0.1 * multiplier * math.log(factor) + 1 if factor > 1 else 1.0
