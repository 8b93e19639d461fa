"""Native work takes turns with everybody else who wants the interpreter's lock."""

from __future__ import annotations

import threading
import time

import pytest

from jan_ort.ground.lock_share import LockShare

SPENT_S = 0.02


def spend(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_one_step_is_done_at_a_time() -> None:
    share, num_inside, most = LockShare(), 0, 0

    def work() -> None:
        nonlocal num_inside, most
        for _ in range(20):
            with share.step():
                num_inside += 1
                most = max(most, num_inside)
                time.sleep(0.0005)
                num_inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)

    assert most == 1


def test_the_lock_is_free_for_as_long_as_a_step_took() -> None:
    share = LockShare()

    with share.step():
        spend(SPENT_S)
    ended = time.monotonic()
    with share.step():
        begun = time.monotonic()

    assert begun - ended > SPENT_S * 0.8


def test_a_step_that_fails_lets_the_next_one_begin() -> None:
    share = LockShare()

    with pytest.raises(ZeroDivisionError), share.step():
        _ = 1 // 0

    with share.step():
        pass
