"""Slow work in threads of its own: bounded, dropped when nobody waits, and never in anyone's way."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from jan_ort.ground import worker_pool
from jan_ort.ground.worker_pool import PoolBusy, PoolClosed, WorkCrashed, WorkerPool, WorkTooSlow


class Gate:
    """Work that waits until it is let go, and says that it has begun."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self._opened = threading.Event()

    def __call__(self) -> str:
        self.has_begun.set()
        assert self._opened.wait(20)
        return threading.current_thread().name

    def open(self) -> None:
        self._opened.set()


class Panic(BaseException):
    """As the panics of native libraries: no ``Exception``."""


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


async def until_waiting(pool: WorkerPool, number: int) -> None:
    async with asyncio.timeout(20):
        while pool.num_waiting != number:  # noqa: ASYNC110  (the queue tells nobody)
            await asyncio.sleep(0.001)


async def test_work_is_done_in_a_named_thread_and_answered() -> None:
    pool = WorkerPool("named", 1, 0)

    assert await pool.run(lambda: threading.current_thread().name) == "named"


async def test_an_error_of_the_work_is_its_callers() -> None:
    pool = WorkerPool("error", 1, 0)

    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)

    assert await pool.run(lambda: 1) == 1


async def test_what_is_no_exception_becomes_one_and_the_thread_goes_on(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    def crash() -> None:
        gate()
        raise Panic("at src/lib.rs")

    pool = WorkerPool("crash", 1, 1)
    crashing, after = asyncio.create_task(pool.run(crash)), asyncio.create_task(pool.run(lambda: 2))
    await until_waiting(pool, 1)

    gate.open()

    with pytest.raises(WorkCrashed, match=r"Panic: at src/lib\.rs") as crashed:
        await crashing
    assert isinstance(crashed.value.__cause__, Panic)
    assert await after == 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_no_more_threads_than_may_work_at_once() -> None:
    pool = WorkerPool("bounded", 2, 10)
    gates = [Gate() for _ in range(4)]

    running = [asyncio.create_task(pool.run(gate)) for gate in gates]
    await until_waiting(pool, 2)

    assert [gate.has_begun.wait(20) for gate in gates[:2]] == [True, True]
    assert sum(thread.name == "bounded" for thread in threading.enumerate()) == 2
    assert not any(gate.has_begun.is_set() for gate in gates[2:])
    for gate in gates:
        gate.open()
    assert await asyncio.gather(*running) == ["bounded"] * 4


async def test_work_is_refused_when_too_much_waits(gate: Gate) -> None:
    pool = WorkerPool("full", 1, 1)
    running = [asyncio.create_task(pool.run(gate)) for _ in range(2)]
    await until_waiting(pool, 1)

    with pytest.raises(PoolBusy, match="1 requests are already waiting"):
        await pool.run(gate)

    gate.open()
    assert await asyncio.gather(*running) == ["full"] * 2


async def test_work_whose_caller_has_gone_is_dropped_and_its_place_is_free(gate: Gate) -> None:
    pool, dropped = WorkerPool("dropped", 1, 1), Gate()
    running = asyncio.create_task(pool.run(gate))
    gone = asyncio.create_task(pool.run(dropped))
    await until_waiting(pool, 1)

    gone.cancel()

    await until_waiting(pool, 0)
    last = asyncio.create_task(pool.run(lambda: "last"))
    gate.open()
    assert (await running, await last) == ("dropped", "last")
    assert not dropped.has_begun.is_set()


async def test_work_that_takes_too_long_holds_its_thread_and_what_waits_is_told_apart(gate: Gate) -> None:
    pool, other = WorkerPool("slow", 1, 1), Gate()

    with pytest.raises(WorkTooSlow, match=r"more than 0\.01 s"):
        await pool.run(gate, timeout_s=0.01)
    with pytest.raises(PoolBusy, match=r"for 0\.01 s"):
        await pool.run(other, timeout_s=0.01)

    assert pool.num_waiting == 0
    gate.open()
    assert await pool.run(lambda: 3) == 3
    assert not other.has_begun.is_set()


async def test_a_closed_pool_tells_all_callers_and_takes_nothing(gate: Gate) -> None:
    pool = WorkerPool("closed", 1, 2)
    running = [asyncio.create_task(pool.run(gate)) for _ in range(3)]
    await until_waiting(pool, 2)

    pool.close()
    pool.close()

    for each in running:
        with pytest.raises(PoolClosed):
            await each
    gate.open()
    with pytest.raises(PoolClosed):
        await pool.run(gate)


async def test_an_idle_pool_has_no_thread() -> None:
    pool = WorkerPool("idle", 2, 0)

    await pool.run(lambda: None)

    async with asyncio.timeout(20):
        while any(thread.name == "idle" for thread in threading.enumerate()):  # noqa: ASYNC110  (a thread tells nobody)
            await asyncio.sleep(0.001)


async def test_what_comes_soon_is_done_by_the_same_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "KEPT_S", 60)
    pool = WorkerPool("kept", 2, 0)

    threads = [await pool.run(threading.current_thread) for _ in range(5)]

    assert len(set(threads)) == 1
    pool.close()
    await asyncio.to_thread(threads[0].join, 20)
    assert not threads[0].is_alive()


async def test_threads_that_are_kept_work_at_once() -> None:
    pool = WorkerPool("together", 2, 0)

    for _ in range(20):
        gates = [Gate() for _ in range(2)]
        running = [asyncio.create_task(pool.run(gate)) for gate in gates]
        assert [await asyncio.to_thread(gate.has_begun.wait, 20) for gate in gates] == [True, True]
        for gate in gates:
            gate.open()
        await asyncio.gather(*running)

    assert (len(pool._working), len(pool._handed)) == (0, 0)


async def test_a_large_stack_is_for_its_own_threads_only() -> None:
    pool = WorkerPool("deep", 1, 0, stack_bytes=64 * 1024 * 1024)
    before = threading.stack_size()

    assert await pool.run(lambda: 4) == 4
    assert threading.stack_size() == before


@pytest.mark.parametrize("ending", ["", "pool.close()"])
def test_work_that_never_ends_does_not_keep_the_process(ending: str) -> None:
    script = f"""
import asyncio, os, time
from jan_ort.ground.worker_pool import WorkerPool, WorkTooSlow
pool = WorkerPool("endless", 1, 0)
try:
    asyncio.run(pool.run(lambda: time.sleep(600), timeout_s=0.1))
except WorkTooSlow:
    print("given up")
{ending}
"""

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "given up\n", "")


async def test_short_work_has_a_thread_that_is_never_at_long_work() -> None:
    pool = WorkerPool("lanes", 2, 10)
    gates = [Gate() for _ in range(3)]
    long = [asyncio.create_task(pool.run(gate, is_long=True)) for gate in gates]
    await until_waiting(pool, 2)

    short = [await pool.run(lambda at=at: at) for at in range(5)]  # type: ignore[misc]

    assert short == [0, 1, 2, 3, 4]
    assert [gate.has_begun.is_set() for gate in gates] == [True, False, False]
    for gate in gates:
        gate.open()
    assert await asyncio.gather(*long) == ["lanes"] * 3
    assert (len(pool._working), pool._num_long) == (0, 0)


async def test_long_work_has_its_turn_beside_short_work() -> None:
    pool = WorkerPool("turns", 2, 10)
    gates = [Gate() for _ in range(2)]
    short = [asyncio.create_task(pool.run(gate)) for gate in gates]
    long = asyncio.create_task(pool.run(lambda: "long", is_long=True))
    late = asyncio.create_task(pool.run(lambda: "short"))
    await until_waiting(pool, 2)

    gates[0].open()

    assert (await long, await late) == ("long", "short")
    gates[1].open()
    await asyncio.gather(*short)


async def test_a_single_thread_does_long_work_too() -> None:
    pool = WorkerPool("one", 1, 2)

    assert await asyncio.gather(pool.run(lambda: 1, is_long=True), pool.run(lambda: 2)) == [1, 2]
