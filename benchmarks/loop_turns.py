"""What hostile bodies cost the event loop: the longest turn of each, in CPU time of the loop's thread.

Run as ``python -m benchmarks.loop_turns [--only TEXT]``: every body of ``tests/http/hostile_bodies.py``
is sent to this server in turn. The GIL's column is the CPU time that the process spent, at most, between two
moments at which a thread that wants the interpreter's lock every millisecond got it: native calls hold it so long.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import sys
import threading
import time
from collections.abc import Callable

from jan_ort.http.hypercorn_server import serve_until
from jan_ort.http.launcher import bind
from jan_ort.serving.choice import check_settings
from jan_ort.serving.server import Server
from jan_ort.settings.schema import Settings
from tests.http.hostile_bodies import EVERY_BODY, Hostile
from tests.turns import Turns

LIMIT_S = 0.050


class LockWaits(threading.Thread):
    """Wants the interpreter's lock every millisecond; ``longest_s`` is what the process spent meanwhile, at most."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest_s = 0.0

    def run(self) -> None:
        before = time.process_time()
        while True:
            time.sleep(0.001)
            now = time.process_time()
            self.longest_s = max(self.longest_s, now - before)
            before = now


def send(port: int, hostile: Hostile, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request("POST", hostile.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        first = response.read(400)
        while response.read1(2**18):
            pass
        return response.status, first
    finally:
        connection.close()


def ask_all(port: int, chosen: list[Hostile], turns: Turns, waits: LockWaits) -> bool:
    """Send each body, print its line and return whether no turn was too long."""
    is_good = True
    print(f"{'turn ms':>8} {'GIL ms':>8} {'CPU s':>6} {'answer':>6}  body", flush=True)
    for hostile in chosen:
        body = hostile.body()
        time.sleep(0.05)  # what the last one left behind
        turns.longest_s = waits.longest_s = 0.0
        started = time.process_time()
        status, answer = send(port, hostile, body)
        time.sleep(0.05)
        is_short, is_right = turns.longest_s <= LIMIT_S, status in hostile.statuses
        is_good = is_good and is_short and is_right
        mark = ("" if is_short else "  TOO LONG") + ("" if is_right else f"  WRONG: {answer[:200]!r}")
        cpu_s = time.process_time() - started
        print(
            f"{turns.longest_s * 1e3:8.1f} {waits.longest_s * 1e3:8.1f} {cpu_s:6.2f} {status:6}"
            f"  {hostile.path}: {hostile.name} ({len(body):,} bytes){mark}",
            flush=True,
        )
        if "-v" in sys.argv:
            print(" " * 33, answer[:300], flush=True)
    return is_good


async def serve(settings: Settings, ask: Callable[[int], bool]) -> bool:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = Server(settings, checked=check_settings(settings))
    ended = asyncio.Event()
    server.start()
    serving = asyncio.create_task(serve_until(ended, server, listener, 0))
    while server.status == "loading":  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    is_good = await asyncio.to_thread(ask, port)
    ended.set()
    await serving
    return is_good


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="send only bodies whose name holds this text")
    options.add_argument("-v", action="store_true", help="print how each answer begins")
    options.add_argument("--backend")
    given = options.parse_args()
    chosen = [each for each in EVERY_BODY if given.only in f"{each.path}: {each.name}"]
    waits = LockWaits()
    waits.start()
    with Turns() as turns:
        is_good = asyncio.run(
            serve(Settings.read(backend=given.backend), lambda port: ask_all(port, chosen, turns, waits))
        )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
