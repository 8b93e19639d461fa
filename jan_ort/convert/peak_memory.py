"""How much memory a conversion takes at its peak, and whether that is there; told before anything is written."""

from __future__ import annotations

from pathlib import Path

from jan_ort.ground.available_memory import available_bytes
from jan_ort.ground.model_errors import ConversionError

VALUE_BYTES = 12.4
"""Of a tensor that is quantised, a value: as float32 three times, with its codes and scales (measured at 1.07 billion
parameters: 3.1 times the embedding's float32 size; an encoder's weights, all at once: 3.0 times)."""

KEPT_VALUE_BYTES = 3
"""Of a tensor whose codes are kept (2.7 measured)."""

_BASE_BYTES = 2**26


def check_peak(source: Path, num_values: int, value_bytes: float, memory_limit_mb: int | None) -> None:
    """Refuse a conversion that needs more memory than there is, or than a limit that is not 0 allows.

    Args: num_values: of the largest tensor, or of all that are in memory at once. Raises: ConversionError.
    """
    if memory_limit_mb == 0:
        return
    needed = int(num_values * value_bytes) + _BASE_BYTES
    available = available_bytes() if memory_limit_mb is None else memory_limit_mb * 2**20
    if needed > available:
        raise ConversionError(
            f"{source}: converting it takes up to {needed / 1e9:.1f} GB of memory (for {num_values:,} values at once), "
            f"and {available / 1e9:.1f} GB are available; close other programs, convert it on a larger machine "
            "(jan-ort models convert), or convert it nevertheless with --memory-limit-mb 0"
        )
