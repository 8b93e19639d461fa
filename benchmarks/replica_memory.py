"""What each further server of one model takes on one machine, idle; what they share counts once (PSS, Linux)."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

import psutil
from servers import ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="smollm2-135m-instruct")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--flag", action="append", default=[], help="of the servers, as --flag=--num-slots=1")
    options = parser.parse_args()
    processes: list[psutil.Process] = []
    with ExitStack() as stack:
        before = single = 0.0
        for number in range(options.replicas):
            server = ours(options.model, *options.flag)
            server.name = f"memory-{number}"
            server.start()
            stack.callback(server.stop)
            assert server.process is not None
            processes.append(psutil.Process(server.process.pid))
            total = sum(each.memory_full_info().pss for each in processes) / 1e6
            single = single or total
            print(
                f"{number + 1}: {total:7.0f} MB together, {(total - before) / single:.0%} of the first added",
                flush=True,
            )
            before = total


if __name__ == "__main__":
    main()
