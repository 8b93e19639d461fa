"""What a model is for: one object a task, and the list of all."""

from __future__ import annotations

from dataclasses import dataclass

from jan_ort_backends import Capability


@dataclass(frozen=True, slots=True)
class Task:
    """What a model is for.

    ``name`` stands in jan_ort.json, in ``/v1/models`` and behind ``--task``. A backend needs ``capability`` for it.
    ``kind``, ``does`` and ``option``, which serves such a model, are words of messages. ``encodes`` says that texts are
    read whole, with weights as ``--embedding-weights`` says, not ``--weights``; ``marks_texts`` that the tokenizer puts
    the model's special tokens around a text; ``takes_context_length`` that ``--context-length`` bounds what the model
    takes. How a model is opened for it, and what it can be asked for, says ``jan_ort.serving.served_task``.
    """

    name: str
    capability: Capability
    kind: str
    does: str
    option: str
    encodes: bool = False
    marks_texts: bool = False
    takes_context_length: bool = False

    def __str__(self) -> str:
        return self.name


GENERATE = Task(
    "generate",
    Capability.GENERATE,
    kind="chat",
    does="generates text",
    option="--model",
    takes_context_length=True,
)
EMBED = Task(
    "embed",
    Capability.EMBED,
    kind="embedding",
    does="makes embeddings",
    option="--embedding-model",
    encodes=True,
    marks_texts=True,
)
RERANK = Task(
    "rerank",
    Capability.EMBED,  # what is computed of a pair of texts is a vector of one number
    kind="reranking",
    does="scores pairs of texts",
    option="--model",
    encodes=True,
    marks_texts=True,
)

TASKS: tuple[Task, ...] = (GENERATE, EMBED, RERANK)
"""All tasks, in the order in which models are served; one that does not say what it is for does the first."""


def find_task(name: object) -> Task | None:
    """Return the task of a name, None if there is none."""
    return next((task for task in TASKS if task.name == name), None)


def task_names() -> list[str]:
    """Return the names of all tasks."""
    return [task.name for task in TASKS]


def task_order(task: Task) -> int:
    """Return the place of a task among all."""
    return TASKS.index(task)
