"""Time and memory of converting a large GGUF file: one of random blocks, in the shape of an 8 B llama in Q4_K_M.

    python -m benchmarks.large_conversion FOLDER [--weights int8] [--layers 32] [--source FOLDER]

The file (4.9 GB with 32 layers) and the converted folder (8.5 GB in int8) are written below FOLDER, and removed at the
end; the file elsewhere with ``--source``. Prints the seconds, the peak of anonymous memory and of all (Linux only).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter

VOCABULARY, HIDDEN, INNER, HEADS, KEY_VALUE_HEADS = 128_256, 4096, 14_336, 32, 8
F32, Q4_K, Q6_K = GGMLQuantizationType.F32, GGMLQuantizationType.Q4_K, GGMLQuantizationType.Q6_K
_POLL_S = 0.05


def main() -> None:
    """Write, convert, measure and remove."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", default="int8")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--source", type=Path)
    given = parser.parse_args()
    path, target = (given.source or given.folder) / "large.gguf", given.folder / "converted"
    if not path.exists():
        write(path, given.layers)
    try:
        command = [sys.executable, "-P", "-m", "jan_ort", "models", "convert", str(path), "--output", str(target)]
        measure([*command, "--weights", given.weights])
        size = sum(each.stat().st_size for each in target.rglob("*"))
        print(f"{path.stat().st_size / 1e9:.2f} GB -> {size / 1e9:.2f} GB ({given.weights})")
    finally:
        path.unlink()
        shutil.rmtree(target, ignore_errors=True)


def measure(command: list[str]) -> None:
    """Run the command, and print what it took."""
    begin, peaks = time.monotonic(), {"RssAnon": 0, "VmRSS": 0}
    process = psutil.Popen(command)
    while process.poll() is None:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in peaks:
                peaks[name] = max(peaks[name], int(value.split()[0]))
        time.sleep(_POLL_S)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    spent = os.times()
    cpu_s = spent.children_user + spent.children_system
    print(f"{time.monotonic() - begin:.0f} s, of the CPU {cpu_s:.0f} s")
    print(f"peak: {peaks['RssAnon'] / 1e6:.2f} GB anonymous, {peaks['VmRSS'] / 1e6:.2f} GB with what is mapped")


def write(path: Path, num_layers: int) -> None:
    """Write the file, one tensor after another."""
    writer = GGUFWriter(path, "llama")
    _add_metadata(writer, num_layers)
    tensors = list(shapes(num_layers))
    for name, shape, kind in tensors:
        block_size, block_bytes = GGML_QUANT_SIZES[kind]
        stored = shape if kind == F32 else (*shape[:-1], shape[-1] // block_size * block_bytes)
        dtype = np.dtype(np.float32 if kind == F32 else np.uint8)
        writer.add_tensor_info(name, stored, dtype, int(np.prod(stored)) * dtype.itemsize, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    rng = np.random.default_rng(0)
    for _, shape, kind in tensors:
        writer.write_tensor_data(np.ones(shape, np.float32) if kind == F32 else random_blocks(rng, shape, kind))
    writer.close()


def shapes(num_layers: int) -> Iterator[tuple[str, tuple[int, ...], GGMLQuantizationType]]:
    """Yield name, shape and type of each tensor; half of the values and ways down have 6 bits."""
    key_value = HIDDEN // HEADS * KEY_VALUE_HEADS
    yield "token_embd.weight", (VOCABULARY, HIDDEN), Q4_K
    yield "output_norm.weight", (HIDDEN,), F32
    yield "output.weight", (VOCABULARY, HIDDEN), Q6_K
    for layer in range(num_layers):
        finer = Q6_K if layer % 2 else Q4_K
        yield f"blk.{layer}.attn_norm.weight", (HIDDEN,), F32
        yield f"blk.{layer}.ffn_norm.weight", (HIDDEN,), F32
        yield f"blk.{layer}.attn_q.weight", (HIDDEN, HIDDEN), Q4_K
        yield f"blk.{layer}.attn_k.weight", (key_value, HIDDEN), Q4_K
        yield f"blk.{layer}.attn_v.weight", (key_value, HIDDEN), finer
        yield f"blk.{layer}.attn_output.weight", (HIDDEN, HIDDEN), Q4_K
        yield f"blk.{layer}.ffn_gate.weight", (INNER, HIDDEN), Q4_K
        yield f"blk.{layer}.ffn_up.weight", (INNER, HIDDEN), Q4_K
        yield f"blk.{layer}.ffn_down.weight", (HIDDEN, INNER), finer


def random_blocks(
    rng: np.random.Generator, shape: tuple[int, ...], kind: GGMLQuantizationType
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return blocks of any bytes, with scales that keep a layer's output as large as its input."""
    block_size, block_bytes = GGML_QUANT_SIZES[kind]
    num_blocks = int(np.prod(shape)) // block_size
    blocks = np.frombuffer(rng.bytes(num_blocks * block_bytes), np.uint8).reshape(num_blocks, block_bytes).copy()
    size = shape[-1] ** -0.5
    if kind == Q4_K:  # value = d · scale (0 to 63) · code (0 to 15) - dmin · minimum (0 to 63)
        blocks[:, :4] = np.array([size / 150, size / 20], "<f2").view(np.uint8)
    else:  # value = d · scale (-128 to 127) · (code - 32)
        blocks[:, -2:] = np.array([size / 1400], "<f2").view(np.uint8)
    return blocks.reshape(*shape[:-1], -1)


def _add_metadata(writer: GGUFWriter, num_layers: int) -> None:
    tokens, merges = vocabulary()
    writer.add_context_length(8192)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(num_layers)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_VALUE_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(500_000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 2)
    writer.add_eos_token_id(len(tokens) - 1)


def vocabulary() -> tuple[list[str], list[str]]:
    """Return tokens of all bytes and of pairs of tokens, as many as Llama 3 has, and how they are merged."""
    letters = sorted(map(chr, [*range(33, 127), *range(161, 173), *range(174, 324)]))[:256]
    pairs = [(first, second) for first in letters for second in letters]
    longer = [("".join(pair), letter) for pair in pairs[: VOCABULARY // 2 - 2] for letter in letters[:1]]
    merged = [*pairs, *longer][: VOCABULARY - 258]
    return [*letters, *map("".join, merged), "<s>", "</s>"], [f"{first} {second}" for first, second in merged]


if __name__ == "__main__":
    main()
