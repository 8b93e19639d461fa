"""Record what ggml itself stores and reads: tests/fixtures/ggml/blocks.npz.

For each block type, ggml's C code quantises two rows of random weights, of which the second has a few large values,
and dequantises them again. Kept are the bytes and the values, so that the tests compare with ggml and not only with
the gguf package.

Needs an environment of its own: pip install "llama-cpp-python>=0.3" numpy
Run: python scripts/record_ggml_blocks.py
"""

import ctypes
from pathlib import Path

import llama_cpp
import numpy as np

FIXTURE = Path(__file__).parent.parent / "tests" / "fixtures" / "ggml" / "blocks.npz"
# Name: (ggml_type, values per block, bytes per block), as in ggml.h.
TYPES = {
    "Q2_K": (10, 256, 84),
    "Q3_K": (11, 256, 110),
    "Q4_0": (2, 32, 18),
    "Q4_1": (3, 32, 20),
    "Q4_K": (12, 256, 144),
    "Q5_0": (6, 32, 22),
    "Q5_1": (7, 32, 24),
    "Q5_K": (13, 256, 176),
    "Q6_K": (14, 256, 210),
    "Q8_0": (8, 32, 34),
    "IQ1_M": (29, 256, 56),
    "IQ1_S": (19, 256, 50),
    "IQ2_S": (22, 256, 82),
    "IQ2_XS": (17, 256, 74),
    "IQ2_XXS": (16, 256, 66),
    "IQ3_S": (21, 256, 110),
    "IQ3_XXS": (18, 256, 98),
    "IQ4_NL": (20, 32, 18),
    "IQ4_XS": (23, 256, 136),
    "MXFP4": (39, 32, 17),
    "NVFP4": (40, 64, 36),
    "TQ1_0": (34, 256, 54),
    "TQ2_0": (35, 256, 66),
}
SPELLINGS = {f"Q{bits}_K": f"q{bits}_K" for bits in (2, 3, 4, 5, 6)}
ROWS, COLUMNS = 2, 512


def main():
    """Write the fixture."""
    rng = np.random.default_rng(11)
    weights = rng.normal(0, 0.1, (ROWS, COLUMNS)).astype(np.float32)
    weights[1] = weights[1] ** 3 * 50 + 0.2  # off centre, with a few large values
    ggml = ctypes.CDLL(str(next(Path(llama_cpp.__file__).parent.glob("lib/*ggml-base*"))))
    recorded = {}
    for name, (_, block_size, block_bytes) in TYPES.items():
        raw = np.zeros((ROWS, COLUMNS // block_size * block_bytes), np.uint8)
        values = np.zeros((ROWS, COLUMNS), np.float32)
        quantize(ggml, name, weights, raw)
        dequantize(ggml, name, raw, values)
        recorded |= {f"{name}.raw": raw, f"{name}.values": values}
    FIXTURE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FIXTURE, weights=weights, **recorded)


def quantize(ggml, name, weights, raw):
    """Fill ``raw`` with ggml's blocks of ``weights``."""
    call = ggml.ggml_quantize_chunk
    call.restype = ctypes.c_size_t
    count = ctypes.c_int64
    call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, count, count, count, ctypes.c_void_p]
    importance = np.ones(COLUMNS, np.float32)  # types of few bits are not written without one
    pointer = importance.ctypes.data if name.startswith(("IQ1", "IQ2")) else None
    written = call(TYPES[name][0], weights.ctypes.data, raw.ctypes.data, 0, ROWS, COLUMNS, pointer)
    if written != raw.nbytes:
        raise SystemExit(f"{name}: ggml wrote {written} bytes, expected {raw.nbytes}")


def dequantize(ggml, name, raw, values):
    """Fill ``values`` with ggml's reading of ``raw``."""
    call = getattr(ggml, f"dequantize_row_{SPELLINGS.get(name, name.lower())}")
    call.restype = None
    call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    call(raw.ctypes.data, values.ctypes.data, values.size)


if __name__ == "__main__":
    main()
