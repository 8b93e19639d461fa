"""The list of all tasks that are served; a new task is one entry here, and one of ``jan_ort.ground.task.TASKS``."""

from __future__ import annotations

from typing import Any

from jan_ort.ground.task import Task
from jan_ort.serving.embedding import EMBEDDING
from jan_ort.serving.generative import GENERATING
from jan_ort.serving.reranking import RERANKING
from jan_ort.serving.served_task import ServedTask

SERVED_TASKS: tuple[ServedTask[Any], ...] = (GENERATING, EMBEDDING, RERANKING)


def served_task(task: Task) -> ServedTask[Any]:
    """Return how a task is served."""
    return next(served for served in SERVED_TASKS if served.task == task)
