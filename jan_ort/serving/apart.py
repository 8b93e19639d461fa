"""The settings of servers that have one of several models each."""

from __future__ import annotations

from collections.abc import Sequence

from jan_ort.ground.task import EMBED, GENERATE, Task
from jan_ort.serving.choice import ModelChoice
from jan_ort.settings.schema import Settings


def apart(settings: Settings, choices: Sequence[ModelChoice]) -> list[Settings]:
    """Return the settings of servers that have one of the models each; of one server, if they are to share memory.

    A model that runs on several providers is with its twins, which are told apart by their names.
    """
    if settings.load == "request":
        return [settings]
    together: dict[tuple[Task, str], list[str]] = {}
    for each in choices:
        together.setdefault((each.task, each.text if each.is_twin else each.reference), []).append(each.reference)
    return [_with(settings, task, tuple(references)) for (task, _), references in together.items()]


def _with(settings: Settings, task: Task, references: tuple[str, ...]) -> Settings:
    update: dict[str, object] = {"model": references, "embedding_model": ()}
    if task == EMBED:
        update = {"model": (), "embedding_model": references}
    if task != GENERATE:
        update["mmproj"] = None  # it is for a model that generates
    return settings.model_copy(update=update)
