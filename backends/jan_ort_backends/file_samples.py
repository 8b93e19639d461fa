"""What identifies weights for ``SessionInfo.weights_hash`` without reading all of them: one rule for every backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_WHOLE_BYTES = 2**26
_NUM_SAMPLES = 1024
_SAMPLE_BYTES = 2**16


def file_samples(path: Path) -> Iterator[bytes]:
    """Yield a file's size and its bytes, of a large file a thousand pieces (64 MB): all of 8 GB would take 20 seconds.

    The pieces lie evenly, so that weights which differ in a tensor of any size that counts differ in one of them.
    """
    size = path.stat().st_size
    yield str(size).encode()
    with path.open("rb") as stream:
        if size <= _WHOLE_BYTES:
            yield stream.read()
            return
        for index in range(_NUM_SAMPLES):
            stream.seek(index * (size - _SAMPLE_BYTES) // (_NUM_SAMPLES - 1))
            yield stream.read(_SAMPLE_BYTES)
