"""Rotary embeddings of a decoder: which layers rotate, how fast, and every scaling of the frequencies.

Source: ggml_rope_cache_init and llama_context of llama.cpp; YaRN: Peng et al. 2023, arXiv:2309.00071.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Decoder

if TYPE_CHECKING:
    from jan_ort.convert.inputs.checkpoint import Checkpoint

SCALINGS = ("none", "linear", "yarn", "longrope")


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the frequencies are stretched: ``factor`` for YaRN and linearly, ``magnitude`` of cosines and sines.

    ``truncated``: YaRN's limits are whole frequencies.
    """

    is_yarn: bool
    factor: float
    magnitude: float
    original_length: int
    beta_fast: float
    beta_slow: float
    truncated: bool = True


@dataclass(frozen=True, slots=True)
class Rotary:
    """How some layers rotate: the first ``size`` values of each head, with the base ``theta``.

    ``name`` is that of their tables; ``factors`` names the tensor that divides the frequencies, "" for none.
    ``scaling`` None: there is none.
    """

    name: str
    size: int
    theta: float
    scaling: Scaling | None
    factors: str = ""

    def order(self, head_dim: int, *, pairs: bool) -> NDArray[np.intp] | None:
        """Return which of a head's values go where, so that the whole head rotates in halves; None: all stay.

        Values that do not rotate get frequencies of 0. So there is one kind of rotation for an operator to know.
        """
        places = np.arange(head_dim)
        first, second = (places[0 : self.size : 2], places[1 : self.size : 2])
        if not pairs:
            first, second = np.split(places[: self.size], 2)
        still = np.split(places[self.size :], 2)
        order = np.concatenate([first, still[0], second, still[1]])
        return None if np.array_equal(order, places) else order

    def tables(
        self, source: Checkpoint, positions: int, head_dim: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return cosines and sines, float64 ``(positions, head_dim / 2)``, of the order of :meth:`order`."""
        frequencies = self._frequencies()
        if self.factors:
            frequencies = self._scaled(frequencies / source.vector(f"{self.factors}.weight", self.size // 2))
        else:
            frequencies = self._scaled(frequencies)
        angles = np.arange(positions)[:, np.newaxis] * frequencies
        magnitude = self.scaling.magnitude if self.scaling else 1.0
        still = ((0, 0), (0, (head_dim - self.size) // 2))
        cosines = np.pad(np.cos(angles) * magnitude, still, constant_values=1)
        return cosines, np.pad(np.sin(angles) * magnitude, still)

    def angles(self, positions: int) -> NDArray[np.float64]:
        """Return the angles of a rotation without factors and scaling, float64 ``(positions, size / 2)``."""
        return np.arange(positions)[:, np.newaxis] * self._frequencies()

    def _frequencies(self) -> NDArray[np.float64]:
        exponents = np.arange(0, self.size, 2, dtype=np.float64) / self.size
        frequencies: NDArray[np.float64] = self.theta**-exponents
        return frequencies

    def _scaled(self, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
        scaling = self.scaling
        if scaling is None:
            return frequencies
        stretched: NDArray[np.float64] = frequencies / scaling.factor
        if not scaling.is_yarn:
            return stretched
        low, high = (self._dimension(beta, scaling) for beta in (scaling.beta_fast, scaling.beta_slow))
        if scaling.truncated:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(0, low), min(self.size - 1, high)
        kept = 1 - np.clip((np.arange(self.size // 2) - low) / max(0.001, high - low), 0, 1)
        mixed: NDArray[np.float64] = stretched * (1 - kept) + frequencies * kept
        return mixed

    def _dimension(self, rotations: float, scaling: Scaling) -> float:
        """Return the frequency, by its number, that turns so many times in the original context."""
        turns = scaling.original_length / (rotations * 2 * math.pi)
        return self.size * math.log(turns) / (2 * math.log(self.theta))


def read_rotaries(
    source: Checkpoint, decoder: Decoder, windows: tuple[int, ...], head_dims: tuple[int, int], context_length: int
) -> tuple[Rotary | None, ...]:
    """Return how each layer rotates, None if it does not. Raises: ConversionError.

    Args: head_dims: the size of a head, and that in layers with a window.
    """
    if not decoder.rotates:
        return (None,) * len(windows)
    whole = _read_rotary(source, decoder, head_dims[0], context_length)
    if _is_switched_off(source, decoder):
        return (None,) * len(windows)
    local = _local(source, decoder, whole, head_dims) if any(windows) else whole
    outside = whole if not any(windows) or decoder.windows is None or decoder.windows.rotary_outside else None
    period = decoder.unrotated_period
    return tuple(
        None if period and (layer + 1) % period == 0 else local if window else outside
        for layer, window in enumerate(windows)
    )


def _is_switched_off(source: Checkpoint, decoder: Decoder) -> bool:
    key = "rope.scaling.finetuned"
    return key in decoder.keys and not source.boolean(decoder.key(key), True)


def _read_rotary(source: Checkpoint, decoder: Decoder, head_dim: int, context_length: int) -> Rotary:
    key = decoder.key("rope.dimension_count")
    size = source.integer(key, head_dim)
    if size > head_dim or size % 2 or (size < head_dim and not decoder.partial_rotary):
        source.refuse(f"{key} differs from the head size {head_dim} (it is {size}), which is not supported")
    _check_sections(source, decoder, size)
    theta = source.number(decoder.key("rope.freq_base"), 10_000.0)
    scaling = _read_scaling(source, decoder, context_length)
    if scaling is not None and scaling.is_yarn and theta == 1:
        source.refuse(f"{decoder.key('rope.freq_base')} is 1, which YaRN cannot scale; the file is damaged")
    return Rotary("rotary", size, theta, scaling, _factors(source, decoder, context_length, scaling))


def _check_sections(source: Checkpoint, decoder: Decoder, size: int) -> None:
    """Refuse a model that does not rotate some pairs of a text's tokens.

    Of an image's tokens each pair rotates by one of three positions, which take turns; a text's tokens have the same
    position three times, and 0 for the pairs that no section has.
    """
    key = decoder.key("rope.dimension_sections")
    if "rope.dimension_sections" not in decoder.keys or key not in source or decoder.axes_in_blocks:
        return
    sections = source.integers(key)[:3]
    turns = (pair % max(1, sum(sections)) for pair in range(size // 2))
    if len(sections) != 3 or any(turn >= 3 * sections[turn % 3] for turn in turns):
        source.refuse(f"{source.spelled(key)} is {sections!r:.80}, whose sections leave out some of {size // 2} pairs")


def read_sections(source: Checkpoint, decoder: Decoder, size: int) -> tuple[int, ...]:
    """Return how many of a head's pairs rotate by each of three positions, where those are blocks; () elsewhere."""
    if not decoder.axes_in_blocks:
        return ()
    key = decoder.key("rope.dimension_sections")
    sections = tuple(source.integers(key)[:3])
    if len(sections) != 3 or min(sections) < 1 or sum(sections) != size // 2:
        source.refuse(f"{source.spelled(key)} is {sections!r:.80}; expected are three parts of {size // 2} pairs")
    return sections


def _local(source: Checkpoint, decoder: Decoder, whole: Rotary, head_dims: tuple[int, int]) -> Rotary:
    """Return the rotation of layers with a window: the other layers' own, if it is the same."""
    assert decoder.windows is not None  # some layer has a window
    theta = source.number(decoder.key("rope.freq_base_swa"), decoder.windows.rotary_theta or whole.theta)
    scaling = whole.scaling if decoder.windows.scaled else None
    factors = whole.factors if decoder.windows.scaled else ""
    size = whole.size
    if decoder.layers_differ:
        size = source.integer(decoder.key("rope.dimension_count_swa"), head_dims[1], high=head_dims[1])
    if size % 2:
        source.refuse(f"{decoder.key('rope.dimension_count_swa')} is {size}, which is odd; the file is damaged")
    if (size, theta, scaling, factors) == (whole.size, whole.theta, whole.scaling, whole.factors):
        return whole
    return Rotary("rotary.local", size, theta, scaling, factors)


def _factors(source: Checkpoint, decoder: Decoder, context_length: int, scaling: Scaling | None) -> str:
    """Return the tensor that divides the frequencies; of long and short ones, that for the whole context.

    llama.cpp chooses by the context that it is started with; a graph has one context, the model's.
    """
    tensors = decoder.tensors
    present = {name for name in (tensors.long_factors, tensors.short_factors) if source.has_tensor(f"{name}.weight")}
    if source.has_tensor(f"{tensors.rotary_factors}.weight"):
        return tensors.rotary_factors
    if not present:
        return ""
    original = source.integer(decoder.key("rope.scaling.original_context_length"), context_length)
    chosen = tensors.long_factors if context_length > original else tensors.short_factors
    for name in present - {chosen}:
        source.pass_over(f"{name}.weight")
    return chosen if chosen in present else ""


def _read_scaling(source: Checkpoint, decoder: Decoder, context_length: int) -> Scaling | None:
    """Return the scaling; every kind that llama.cpp does not have is refused."""
    kind = source.string(decoder.key("rope.scaling.type"), "linear")  # which is llama.cpp's default
    if kind not in SCALINGS:
        source.refuse(f"rope scaling {kind!r} is not supported; supported: {', '.join(SCALINGS)}")
    older = source.number(decoder.key("rope.scale_linear"), 1.0, or_zero=True)
    factor = source.number(decoder.key("rope.scaling.factor"), older, or_zero=True) or 1.0
    if kind == "none":
        if factor != 1.0 and decoder.windows is not None and decoder.windows.scaled:
            source.refuse(f"rope scaling 'none' with the factor {factor:g}, which layers with a window still follow")
        factor = 1.0
    magnitude = source.number(decoder.key("rope.scaling.attn_factor"), 1.0)
    if kind != "yarn" and factor == magnitude == 1.0:
        return None
    return Scaling(
        is_yarn=kind == "yarn",
        factor=factor,
        magnitude=magnitude * (_yarn_magnitude(source, decoder, factor) if kind == "yarn" else 1.0),
        original_length=source.integer(decoder.key("rope.scaling.original_context_length"), context_length),
        beta_fast=_followed(source, decoder, "rope.scaling.yarn_beta_fast", 32.0),
        beta_slow=_followed(source, decoder, "rope.scaling.yarn_beta_slow", 1.0),
        truncated=source.boolean(decoder.key("rope.scaling.yarn_truncate"), True),
    )


def _yarn_magnitude(source: Checkpoint, decoder: Decoder, factor: float) -> float:
    grown = 0.1 * math.log(max(factor, 1.0))
    if decoder.latent and decoder.key("rope.scaling.yarn_log_multiplier") in source:
        return 1.0  # it is in the scale of scores
    multiplier = _followed(source, decoder, "rope.scaling.yarn_log_multiplier", 0.0)
    return (1 + grown) / (1 + multiplier * grown)


def _followed(source: Checkpoint, decoder: Decoder, key: str, default: float) -> float:
    """Return the value of a key that only some architectures follow; others refuse it, unless it is the default."""
    return source.number(decoder.key(key), default, or_zero=default == 0) if key in decoder.keys else default
