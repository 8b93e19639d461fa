"""Several images in one run of a tower beside one run each: whether the vectors are equal to the bit, and the time."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

Feeds = Mapping[str, np.ndarray[Any, Any]]


def open_tower(path: Path, threads: int) -> ort.InferenceSession:
    """Open the graph on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feeds_of(tower: ort.InferenceSession, side: int, count: int) -> Feeds:
    """Return so many images of noise; the last three dimensions of an image are ``(3, side, side)``."""
    inputs = {each.name: each for each in tower.get_inputs()}
    lead = (1, count) if len(inputs["pixel_values"].shape) == 5 else (count,)
    pixels = np.random.default_rng(count).standard_normal((*lead, 3, side, side), np.float32)
    feeds = {"pixel_values": pixels, "pixel_attention_mask": np.ones((*lead, side, side), bool)}
    return {name: feeds[name] for name in inputs}


def alone(feeds: Feeds, count: int) -> list[Feeds]:
    """Return each image's own feeds."""
    axis = int(feeds["pixel_values"].ndim == 5)
    return [{name: values.take([at], axis) for name, values in feeds.items()} for at in range(count)]


def compare(tower: ort.InferenceSession, side: int, count: int, rounds: int) -> None:
    """Print the median of the ratios of both ways, in turns; the first turn warms up."""
    together = feeds_of(tower, side, count)
    ratios = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        whole = np.asarray(tower.run(None, together)[0])
        middle = time.perf_counter()
        parts = np.concatenate([np.asarray(tower.run(None, each)[0]) for each in alone(together, count)])
        ratios.append((middle - started) / (time.perf_counter() - middle))
    equal = np.array_equal(whole.reshape(parts.shape), parts)
    print(f"{count} images in one run: {statistics.median(ratios[1:]):.2f} of the time of {count} runs; equal: {equal}")


def main() -> None:
    """Compare the tower of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with onnx/vision_encoder.onnx, of images of one square size")
    parser.add_argument("--images", type=int, nargs="+", default=[2, 5, 10])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    config = json.loads((args.folder / "config.json").read_text(encoding="utf-8"))
    tower = open_tower(args.folder / "onnx" / "vision_encoder.onnx", args.threads)
    for count in args.images:
        compare(tower, config["vision_config"]["image_size"], count, args.rounds)


if __name__ == "__main__":
    main()
