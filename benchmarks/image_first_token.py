"""Time to the first token after a 512 × 512 image: this backend beside transformers, on a random SmolVLM-256M."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from jan_ort_backends import EMBEDDED, OpenOptions, Session, SlotTokens
from jan_ort_backends.images import Detail
from jan_ort_onnxruntime import backend


def picture() -> np.ndarray:
    """Return uint8 ``(512, 512, 3)``."""
    coarse = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    return np.repeat(np.repeat(coarse, 64, 0), 64, 1)


def first_token(session: Session, words: list[int], pixels: np.ndarray, detail: Detail) -> tuple[float, int, int]:
    """Return the seconds from pixels to the first token, the token, and the prompt's length."""
    session.truncate(0, 0)
    started = time.perf_counter()
    image = session.encode_image(pixels, detail)
    row = np.concatenate([image.token_ids, np.array(words)])
    assert (row == EMBEDDED).any()
    token = int(session.step([SlotTokens(0, row, embedded=image.runs)]).logits[-1].argmax())
    return time.perf_counter() - started, token, len(row)


def compare(rival: subprocess.Popen[str], folder: Path, detail: Detail, rounds: int, threads: int) -> None:
    """Print the medians of both and their ratio, over rounds that take turns."""
    assert rival.stdin is not None
    assert rival.stdout is not None
    options = OpenOptions(num_slots=1, extra={"intra_op_num_threads": str(threads), "provider": "cpu"})
    session = backend.open(folder, options)
    words = Tokenizer.from_file(str(folder / "tokenizer.json")).encode("What is this?", add_special_tokens=False).ids
    pairs = []
    for _ in range(rounds + 1):
        ours = first_token(session, words, picture(), detail)
        rival.stdin.write(f"{detail}\n")
        rival.stdin.flush()
        seconds, token, length = rival.stdout.readline().split()
        assert (ours[1], ours[2]) == (int(token), int(length)), f"ours {ours[1:]}, theirs {token} {length}"
        pairs.append((ours[0], float(seconds)))
    mine, theirs = (statistics.median(pair[which] for pair in pairs[1:]) for which in (0, 1))
    ratio = statistics.median(ours / other for ours, other in pairs[1:])
    print(f"{detail}: ours {mine:.2f} s, transformers {theirs:.2f} s, median ratio {ratio:.2f} (target: at most 1.15)")


def main() -> None:
    """Make the model where it is not yet, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--torch", required=True, metavar="PYTHON", help="with transformers 5, torch, pillow, onnx, onnxscript"
    )
    parser.add_argument("--folder", type=Path, help="where the model is kept (1.3 GB)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--detail", choices=["low", "high"], action="append")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, image = args.folder or Path(scratch) / "model", Path(scratch) / "image.npy"
        np.save(image, picture())
        command = [args.torch, "-m", "benchmarks.image_rival", str(folder), str(image), str(args.threads)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as rival:
            assert rival.stdout is not None
            if rival.stdout.readline() != "ready\n":
                sys.exit("transformers' side did not start; its errors are above")
            for detail in args.detail or ["low", "high"]:
                compare(rival, folder, detail, args.rounds, args.threads)
            assert rival.stdin is not None
            rival.stdin.close()


if __name__ == "__main__":
    main()
