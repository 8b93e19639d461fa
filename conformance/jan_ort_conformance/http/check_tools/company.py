"""Requests at once: threads that begin together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

MAX_BEGIN_S = 60.0
"""Threads of a machine at work begin late, but not as late as this."""


def ask_at_once(ask: Callable[[Question], Answer], questions: Sequence[Question]) -> list[Answer]:
    """Return each question's answer; no thread asks before all are there, or the first would be done by then."""
    barrier = Barrier(len(questions))

    def begin(question: Question) -> Answer:
        barrier.wait(MAX_BEGIN_S)
        return ask(question)

    with ThreadPoolExecutor(len(questions)) as pool:
        return [*pool.map(begin, questions)]
