"""How long ``/health`` takes while 60 bodies of 1 MB arrive at once, and the longest turn of the event loop meanwhile.

Run as ``python -m benchmarks.many_bodies [--only TEXT]``. The server runs in this process, so that its turns can be
watched; who sends and who asks for ``/health`` run in processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import http.client
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection

from benchmarks.loop_turns import LIMIT_S, LockWaits, serve
from jan_ort.settings.schema import Settings
from tests.turns import Turns

SIZE = 10**6
HEALTH_P99_S = 0.25
HEALTH_EVERY_S = 0.01
COMPLETIONS, CHAT, TOKENIZE = "/v1/completions", "/v1/chat/completions", "/extras/tokenize"

_HI = b'"messages":[{"role":"user","content":"hi"}]'
_TOOL = b'{"type":"function","function":{"name":"f%d","parameters":{"type":"object","properties":{%b}}}}'
_WORDS = b"the garden " * 6
_TOOLS = 64


def _filled(part: Callable[[int], bytes], size: int = SIZE, most: int = SIZE) -> bytes:
    """Return parts between commas, until they have so many bytes or are so many."""
    parts: list[bytes] = []
    while size > 0 and len(parts) < most:
        parts.append(part(len(parts)))
        size -= len(parts[-1]) + 1
    return b",".join(parts)


def _tools() -> bytes:
    """Return half a megabyte: as many fields as a body may have."""
    properties = [_filled(lambda at: b'"p%d":{"type":"string"}' % at, SIZE // 2 // _TOOLS)] * _TOOLS
    return b",".join(_TOOL % (at, each) for at, each in enumerate(properties))


SHAPES: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "messages": (CHAT, lambda: b'"messages":[%b]' % _filled(lambda at: b'{"role":"user","content":"%b"}' % _WORDS)),
    "too many messages": (CHAT, lambda: b'"messages":[%b]' % _filled(lambda at: b'{"role":"user","content":"hi"}')),
    "one message": (CHAT, lambda: b'"messages":[{"role":"user","content":"%b"}]' % (b"the garden " * (SIZE // 11))),
    "tools": (CHAT, lambda: _HI + b',"tools":[%b]' % _tools()),
    "unknown fields": (CHAT, lambda: _HI + b"," + _filled(lambda at: b'"x%d":%d' % (at, at), most=60_000)),
    "unknown numbers": (CHAT, lambda: _HI + b',"x":[%b]' % _filled(lambda at: b"1.5")),
    "token ids": (COMPLETIONS, lambda: b'"prompt":[%b]' % _filled(lambda at: b"%d" % (at % 250))),
    "lists of token ids": (
        COMPLETIONS,
        lambda: b'"prompt":[%b]' % _filled(lambda at: b"[%b]" % b",".join([b"70"] * 160), most=2048),
    ),
    "prompts": (COMPLETIONS, lambda: b'"prompt":[%b]' % _filled(lambda at: b'"%b"' % (b"hello " * 80), most=2048)),
    "biases": (COMPLETIONS, lambda: b'"prompt":"hi","logit_bias":{%b}' % _filled(lambda at: b'"%d":1' % at)),
    "texts of biases": (
        COMPLETIONS,
        lambda: (
            b'"prompt":"hi","logit_bias_type":"tokens","logit_bias":{%b}'
            % _filled(lambda at: b'"%d%b":1' % (at, b"x" * 60), SIZE)
        ),
    ),
    "a schema": (
        CHAT,
        lambda: (
            _HI
            + b',"response_format":{"type":"json_object","schema":{"properties":{%b}}}'
            % _filled(lambda at: b'"p%d":{"type":"string"}' % at, most=20_000)
        ),
    ),
    "a text": (TOKENIZE, lambda: b'"input":"%b"' % (b"the garden " * (SIZE // 11))),
}
"""Each with the operation that it is sent to, and its fields."""


async def _post(port: int, path: str, body: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
    writer.write(body)
    answer = await reader.read()
    writer.close()
    return answer[9:12].decode()


def send(port: int, path: str, body: bytes, number: int, told: Connection) -> None:
    """Send the body so many times at once, and tell the statuses of the answers."""

    async def all_at_once() -> list[str]:
        return await asyncio.gather(*(_post(port, path, body) for _ in range(number)))

    told.send(collections.Counter(asyncio.run(all_at_once())))


def ask_health(port: int, told: Connection) -> None:
    """Ask for /health until something is said, and tell what each answer took, in seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    took_s: list[float] = []
    told.send("begun")
    while not told.poll(HEALTH_EVERY_S):
        started = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        took_s.append(time.perf_counter() - started)
    told.send(took_s)


def beside(port: int, path: str, body: bytes, number: int) -> tuple[list[float], Mapping[str, int]]:
    """Return what /health took while the bodies came, and the statuses of their answers."""
    spawn = multiprocessing.get_context("spawn")
    (health, of_health), (sender, of_sender) = spawn.Pipe(), spawn.Pipe()
    asking = spawn.Process(target=ask_health, args=(port, of_health))
    asking.start()
    health.recv()
    sending = spawn.Process(target=send, args=(port, path, body, number, of_sender))
    sending.start()
    statuses = sender.recv()
    health.send("enough")
    took_s = health.recv()
    sending.join()
    asking.join()
    return took_s, statuses


def ask_all(port: int, only: str, number: int, turns: Turns, waits: LockWaits) -> bool:
    """Send the bodies of each shape, print its line and return whether all was in time."""
    is_good = True
    print(f"{'/health p50':>11} {'p99':>7} {'most ms':>8} {'turn ms':>8} {'GIL ms':>7} {'CPU s':>6}  bodies")
    for name, (path, fields) in SHAPES.items():
        if only not in name:
            continue
        body = b'{"max_tokens":1,%b}' % fields() if path != TOKENIZE else b"{%b}" % fields()
        turns.longest_s = waits.longest_s = 0.0
        started = time.process_time()
        took_s, statuses = beside(port, path, body, number)
        cpu_s, turn_s, lock_s = time.process_time() - started, turns.longest_s, waits.longest_s
        p99_s = statistics.quantiles(took_s, n=100, method="inclusive")[98]
        is_in_time = p99_s <= HEALTH_P99_S and turn_s <= LIMIT_S
        is_good = is_good and is_in_time
        print(
            f"{statistics.median(took_s) * 1e3:11.1f} {p99_s * 1e3:7.1f} {max(took_s) * 1e3:8.1f} {turn_s * 1e3:8.1f} "
            f"{lock_s * 1e3:7.1f} {cpu_s:6.2f}  {number} x {name} ({len(body):,} bytes): {dict(statuses)}"
            f"{'' if is_in_time else '  TOO LONG'}",
            flush=True,
        )
    return is_good


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="send only bodies whose name holds this text")
    options.add_argument("--bodies", type=int, default=60)
    options.add_argument("--backend")
    given = options.parse_args()
    waits = LockWaits()
    waits.start()
    with Turns() as turns:
        is_good = asyncio.run(
            serve(
                Settings.read(backend=given.backend),
                lambda port: ask_all(port, given.only, given.bodies, turns, waits),
            )
        )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
