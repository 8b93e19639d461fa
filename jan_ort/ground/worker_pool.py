"""A few threads of their own for slow work, so that it holds up nothing else."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

logger = logging.getLogger(__name__)

KEPT_S = 0.5
"""How long a thread waits for more work. Whoever starts one waits until it runs, behind all that want the interpreter's
lock: an event loop that starts one for each request is held up by each."""

_Result = TypeVar("_Result")
_stack_size_lock = threading.Lock()


class PoolBusy(Exception):
    """Raised when work cannot begin: too much waits already, or no thread came free in time."""

    retry_after_s = 5


class PoolClosed(Exception):
    """Raised when work is not done, or not waited for, because its pool is closed."""


class WorkTooSlow(Exception):
    """Raised when work has begun and takes longer than its caller waits; it goes on in its thread."""


class WorkCrashed(Exception):
    """Raised when work ends in what is no ``Exception``, such as a panic of native code."""


class _Call(NamedTuple):
    """What is to be done, and where its result goes."""

    future: Future[Any]
    work: Callable[[], Any]
    is_long: bool


class WorkerPool:
    """At most ``num_threads`` threads that work, and ``max_waiting`` calls that wait for one of them.

    Where there are several, one is never at long work, so that short work need not wait for that. Work that has begun
    cannot be stopped. It holds its thread until it ends, so what callers have given up is bounded too. The threads are
    daemons: none keeps the process from ending. One ends when it has had nothing to do for ``KEPT_S``, so an idle pool
    has none. Thread-safe, and bound to no event loop.
    """

    def __init__(self, name: str, num_threads: int, max_waiting: int, *, stack_bytes: int = 0) -> None:
        self._name = name
        self._num_threads = num_threads
        self._max_waiting = max_waiting
        self._stack_bytes = stack_bytes
        self._lock = threading.Lock()
        self._max_long = max(1, num_threads - 1)
        self._waiting: deque[_Call] = deque()
        self._working: set[Future[Any]] = set()
        self._num_long = 0  # of those that work
        self._num_idle = 0
        self._handed: deque[_Call] = deque()  # what idle threads begin at once, one each
        self._is_handed = threading.Condition(self._lock)
        self._is_closed = False

    @property
    def num_waiting(self) -> int:
        """How many calls wait for a thread."""
        return len(self._waiting)

    async def run(
        self, work: Callable[[], _Result], *, timeout_s: float | None = None, is_long: bool = False
    ) -> _Result:
        """Return what ``work`` returns, or raise what it raises.

        When the caller is cancelled or ``timeout_s`` has passed, work that has not begun is dropped.
        Raises: PoolBusy, PoolClosed, WorkTooSlow, WorkCrashed.
        """
        future = self.submit(work, is_long=is_long)
        try:
            return await outcome(future, timeout_s)
        finally:
            future.cancel()  # no effect on work that has begun

    def submit(self, work: Callable[[], _Result], *, is_long: bool = False) -> Future[_Result]:
        """Return the future of ``work``; to cancel it drops work that has not begun. Raises: PoolBusy, PoolClosed."""
        future: Future[_Result] = Future()
        with self._lock:
            if self._is_closed:
                raise PoolClosed("the server is stopping; try again when it is back")
            call = _Call(future, work, is_long)
            if len(self._working) < self._num_threads and self._may_begin(call):
                self._hand(call)
                future.set_running_or_notify_cancel()
                self._working.add(future)
                self._num_long += is_long
            elif self.num_waiting < self._max_waiting:
                self._waiting.append(call)
            else:
                raise PoolBusy(f"the server is busy: {self.num_waiting} requests are already waiting; try again later")
        future.add_done_callback(self._forget)
        return future

    def close(self) -> None:
        """Drop what waits; what has begun goes on to its end, and nobody waits for it. May be called twice.

        All callers are told, so that each can still answer.
        """
        with self._lock:
            self._is_closed = True
            dropped = [call.future for call in self._waiting if call.future.set_running_or_notify_cancel()]
            self._waiting.clear()
            told = [*dropped, *self._working]
            self._is_handed.notify_all()
        for future in told:
            with suppress(InvalidStateError):  # it has ended meanwhile, or was told before
                future.set_exception(PoolClosed("the server is stopping; try again when it is back"))

    def _hand(self, call: _Call) -> None:
        """Have a thread begin at once; the lock is held."""
        if self._num_idle > len(self._handed):
            self._handed.append(call)
            self._is_handed.notify()
        else:
            self._start(call)

    def _start(self, call: _Call) -> None:
        thread = threading.Thread(target=self._work_on, args=(call,), name=self._name, daemon=True)
        with _stack_size_lock:
            usual = threading.stack_size(self._stack_bytes)
            try:
                thread.start()
            finally:
                threading.stack_size(usual)

    def _work_on(self, call: _Call) -> None:
        """Do this work, then whatever waits, then what comes soon."""
        following: _Call | None = call
        while following is not None:
            answer = _done(following.future, following.work)
            with self._lock:
                self._num_long -= following.is_long
                self._working.discard(following.future)
                following = self._next()
                if following is not None:
                    self._num_long += following.is_long
                    self._working.add(following.future)
                else:
                    self._num_idle += 1
            with suppress(InvalidStateError):  # told by close()
                answer()  # last, so that the thread is free again when its caller goes on
            following = following or self._soon()

    def _soon(self) -> _Call | None:
        """Return what this idle thread is handed, None if that is nothing for a while."""
        with self._lock:
            while not (self._handed or self._is_closed) and self._is_handed.wait(KEPT_S):
                pass
            self._num_idle -= 1
            return self._handed.popleft() if self._handed else None

    def _next(self) -> _Call | None:
        """Take what waits longest of what may begin out of the queue; the lock is held."""
        for call in list(filter(self._may_begin, self._waiting)):
            self._waiting.remove(call)
            if call.future.set_running_or_notify_cancel():
                return call
        return None

    def _may_begin(self, call: _Call) -> bool:
        return not call.is_long or self._num_long < self._max_long

    def _forget(self, future: Future[Any]) -> None:
        """Take what was cancelled out of the queue, so that its place is free."""
        if future.cancelled():
            with self._lock:
                self._waiting = deque(each for each in self._waiting if each.future is not future)


async def outcome(future: Future[_Result], timeout_s: float | None = None) -> _Result:
    """Return a pool's future's result once it is there; it may have other waiters, and is not cancelled.

    Raises: what the work raises; PoolBusy or WorkTooSlow after ``timeout_s``.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: Future[_Result]) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    future.add_done_callback(wake)
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await ended.wait()
    if future.done():
        return future.result()
    if future.running():
        raise WorkTooSlow(f"it takes more than {timeout_s:g} s")
    raise PoolBusy(f"the server is busy: no thread was free for {timeout_s:g} s; try again later")


def _done(future: Future[Any], work: Callable[[], Any]) -> Callable[[], None]:
    """Do the work, and return what tells its caller."""
    try:
        result = work()
    except Exception as error:
        return partial(future.set_exception, error)
    except BaseException as error:  # a thread has no one above it to tell
        logger.error("work in the thread %r crashed", threading.current_thread().name, exc_info=error)
        crashed = WorkCrashed(f"{type(error).__name__}: {error}")
        crashed.__cause__ = error
        return partial(future.set_exception, crashed)
    return partial(future.set_result, result)
