"""The memory that a session is said to take beside what it takes with every slot full, setting by setting.

Prints a table in MiB. Each setting is measured in a process of its own; slots are filled by one prompt and its copies.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil

SETTINGS = ((1, 512), (1, 2048), (2, 4096), (4, 1024), (8, 512), (8, 2048), (16, 1024))
CHUNK = 512


def main() -> None:
    """Measure the folders that are given, the default chat model without any."""
    if len(sys.argv) == 5 and sys.argv[1] == "--one":
        _measure(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
        return
    folders = [Path(each) for each in sys.argv[1:]] or [_default()]
    print("| folder | slots | tokens | estimate | measured | difference |\n|---|---|---|---|---|---|", flush=True)
    for folder in folders:
        for num_slots, length in SETTINGS:
            command = [sys.executable, __file__, "--one", str(folder), str(num_slots), str(length)]
            subprocess.run(command, check=True)


def _default() -> Path:
    from jan_ort.ground.task import GENERATE
    from jan_ort.models.sources import resolve_model
    from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL
    from jan_ort.settings.schema import Settings

    return resolve_model(DEFAULT_CHAT_MODEL, task=GENERATE, cache_dir=Settings.read().cache_dir)


def _measure(folder: Path, num_slots: int, length: int) -> None:
    from jan_ort_backends import OpenOptions, SlotTokens
    from jan_ort_onnxruntime import backend

    options = OpenOptions(num_slots, context_length=length, extra={"provider": "cpu"})
    need = backend.memory_need(folder, options)
    assert need is not None, "it is for the CPU"
    process = psutil.Process()
    before = process.memory_info().rss
    session = backend.open(folder, options)
    prompt = np.arange(length - 1, dtype=np.int64) % session.info.vocab_size
    for first in range(0, len(prompt), CHUNK):
        session.step([SlotTokens(0, prompt[first : first + CHUNK])])
    for slot in range(1, num_slots):
        session.fork(0, slot, len(prompt))
    taken = process.memory_info().rss - before
    off = 100 * (need.total_bytes - taken) / taken
    numbers = f"{need.total_bytes / 2**20:.0f} | {taken / 2**20:.0f} | {off:+.0f} %"
    print(f"| {folder.name} | {num_slots} | {length} | {numbers} |")


if __name__ == "__main__":
    main()
