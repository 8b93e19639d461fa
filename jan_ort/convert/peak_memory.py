"""How much memory a conversion takes at its peak, and its model afterwards, and whether that is there."""

from __future__ import annotations

from pathlib import Path

from jan_ort.ground.available_memory import available_bytes
from jan_ort.ground.model_errors import ConversionError

VALUE_BYTES = 12.4
"""Of an encoder's weights, which are in memory all at once, a value (measured: 3.0 times their float32 size)."""

SCALES_VALUE_BYTES = 0.25
"""Of a decoder's largest tensor, a value: codes go to the disk block by block, and scales when all are known."""

_BASE_BYTES = 2**27
"""Of the tokenizer and the blocks that are computed side by side; of a model of 8 billion parameters 0.24 GB in all."""

_REMEDIES = (
    "close other programs, convert it on a larger machine (jan-ort models convert), or convert it anyway with "
    "--memory-limit-mb 0"
)


def check_peak(source: Path, num_values: int, value_bytes: float, memory_limit_mb: int | None) -> None:
    """Refuse a conversion that needs more memory than there is, or than a limit that is not 0 allows.

    Args: num_values: of the largest tensor, or of all that are in memory at once. Raises: ConversionError.
    """
    needed, available = int(num_values * value_bytes) + _BASE_BYTES, _available(memory_limit_mb)
    if available is not None and needed > available:
        raise ConversionError(
            f"{source}: converting it takes up to {needed / 1e9:.1f} GB of memory (for {num_values:,} values at once), "
            f"and {available / 1e9:.1f} GB are available; {_REMEDIES}"
        )


def check_served(source: Path, num_bytes: int, memory_limit_mb: int | None) -> None:
    """Refuse to convert a model whose weights alone could not be served here afterwards. Raises: ConversionError."""
    available = _available(memory_limit_mb)
    if available is not None and num_bytes > available:
        raise ConversionError(
            f"{source}: converted, its weights take at least {num_bytes / 1e9:.1f} GB of memory to be served, and "
            f"{available / 1e9:.1f} GB are available; use a smaller model, or fewer bits (--weights int4), "
            f"{_REMEDIES}"
        )


def _available(memory_limit_mb: int | None) -> int | None:
    """Return the bytes that may be taken, None for any number."""
    if memory_limit_mb == 0:
        return None
    return available_bytes() if memory_limit_mb is None else memory_limit_mb * 2**20
