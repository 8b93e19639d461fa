"""Which models are worth a try on a machine, by its memory and cores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jan_ort.convert.weights.schemes import SCHEMES, Weights
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL

_BESIDE_WEIGHTS_BYTES = 10**9
"""Of the server, its buffers, and a KV cache of some thousand tokens."""

_CORE_BYTES_PER_S = 9 * 10**9
"""Weights that a core reads while it decodes: SmolLM2's 0.147 GB at 126 tokens/s on two (README, Speed)."""

_MAX_CORES = 8
"""More share a memory that is not faster, on most machines."""

_LEAST_TOKENS_PER_S = 3
"""Slower than one reads."""


SMOKE_TEST = DEFAULT_CHAT_MODEL
"""Named only where little else fits."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A published model. ``source`` is where its figures are from; ``was_run`` here, on its real weights."""

    reference: str
    num_parameters: float
    download_bytes: float
    licence: str
    what: str
    source: str
    was_run: bool = False


def _qwen3(size: str, kind: str, num_parameters: float, download_bytes: float, what: str) -> KnownModel:
    source = f"https://huggingface.co/Qwen/Qwen3-{size}-GGUF"
    return KnownModel(f"Qwen/Qwen3-{size}-GGUF:{kind}", num_parameters, download_bytes, "Apache-2.0", what, source)


KNOWN_MODELS = (
    KnownModel(
        SMOKE_TEST,
        0.135e9,
        98e6,
        "Apache-2.0",
        "a smoke test: fast, and often wrong",
        "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        was_run=True,
    ),
    _qwen3("0.6B", "Q8_0", 0.6e9, 639e6, "short answers, simple tools"),
    _qwen3("1.7B", "Q8_0", 1.72e9, 1834e6, "summaries, extraction, everyday questions"),
    KnownModel(
        "ggml-org/SmolLM3-3B-GGUF:Q4_K_M",
        3.08e9,
        1915e6,
        "Apache-2.0",
        "good answers in six European languages, tools",
        "https://huggingface.co/ggml-org/SmolLM3-3B-GGUF",
    ),
    _qwen3("4B", "Q4_K_M", 4.02e9, 2500e6, "good answers, code, tools, thinking"),
    _qwen3("8B", "Q4_K_M", 8.19e9, 5030e6, "better answers, longer reasoning"),
    _qwen3("14B", "Q4_K_M", 14.77e9, 9000e6, "better still, where there is time"),
    _qwen3("32B", "Q4_K_M", 32.76e9, 19_760e6, "the best of these, on a large machine"),
)
"""From small to large; their architectures are tested with small files (docs/models.md)."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A model with the weights that suit a machine, what it takes there, and why it is named."""

    model: KnownModel
    weights: Weights
    memory_bytes: int
    tokens_per_s: float
    why: str


def recommend(memory_bytes: int, num_cores: int, models: Sequence[KnownModel] = KNOWN_MODELS) -> list[Recommendation]:
    """Return up to three of the models, small to large: the largest that is fast enough, and two below it."""
    fitting = [found for each in models if (found := _fit(each, memory_bytes, num_cores)) is not None]
    others = [each for each in fitting if each.model.reference != SMOKE_TEST]
    if len(others) >= 3:
        fitting = others
    if len(fitting) <= 3:
        return fitting
    return [fitting[0], fitting[len(fitting) // 2], fitting[-1]]


def _fit(model: KnownModel, memory_bytes: int, num_cores: int) -> Recommendation | None:
    """Return a model with 8 bits, or with 4 where only those fit and are fast enough; None if neither does."""
    kinds: tuple[Weights, ...] = ("int8", "int4")
    for weights in kinds:
        size = model.num_parameters * SCHEMES[weights].value_bytes
        needed, speed = int(size + _BESIDE_WEIGHTS_BYTES), _CORE_BYTES_PER_S * min(num_cores, _MAX_CORES) / size
        if needed <= memory_bytes and speed >= _LEAST_TOKENS_PER_S:
            why = model.what if weights == "int8" else f"{model.what}; in 4 bits, for 8 would not do here"
            return Recommendation(model, weights, needed, speed, why)
    return None
