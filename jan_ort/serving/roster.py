"""Which of the configured models a request means, by its task and the name that it gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.task import GENERATE, Task
from jan_ort.serving.resident import Resident
from jan_ort.serving.serving_errors import ModelNotFound, ModelNotNamed, NoModelForTask


class Roster:
    """The configured models, in the order of their tasks; ``is_strict`` lends each under its own names only."""

    def __init__(self, residents: Sequence[Resident] = (), *, is_strict: bool = False) -> None:
        self.residents = tuple(residents)
        self._is_strict = is_strict

    def check_names(self) -> None:
        """Check that a name and a task mean one model. Raises: ModelReferenceError."""
        check_names((each.name, each.choice.task.name, each.choice.reference) for each in self.residents)

    def find(self, task: Task, name: str | None) -> Resident:
        """Return the model for a task: the only one whatever the name; of several the named one, or without a name
        the first. Raises: NoModelForTask, ModelNotFound; of a strict roster ModelNotNamed.
        """
        if self._is_strict and not name:
            raise ModelNotNamed
        return self._find(task, name, any_name=not self._is_strict)

    def _find(self, task: Task, name: str | None, *, any_name: bool) -> Resident:
        able = self._of(task)
        if not able:
            raise NoModelForTask(task)
        if not name or (any_name and len(able) == 1):
            return able[0]
        found = next((each for each in able if is_named(each, name)), None)
        if found is None:
            raise ModelNotFound(name, [each.name for each in able])
        return found

    def for_tokens(self, name: str | None) -> Resident:
        """Return the model whose tokenizer is meant: the named one, else as for the first task."""
        named = next((each for each in self.residents if name and is_named(each, name)), None)
        task = self.residents[0].choice.task if self.residents else GENERATE
        return named or self._find(task, name, any_name=True)

    def named(self, name: str | None) -> list[Resident]:
        """Return what is served under a name, all models for None. Raises: ModelNotFound."""
        found = [each for each in self.residents if name is None or is_named(each, name)]
        if not found:
            raise ModelNotFound(str(name), [each.name for each in self.residents])
        return found

    def by_name(self) -> dict[str, list[Resident]]:
        """Group the models by name: one that is configured for two tasks is there twice."""
        grouped: dict[str, list[Resident]] = {}
        for each in self.residents:
            grouped.setdefault(each.name, []).append(each)
        return grouped

    def _of(self, task: Task) -> list[Resident]:
        return [each for each in self.residents if each.choice.task == task]


def check_names(models: Iterable[tuple[str, str, str]]) -> None:
    """Check that a name and a task mean one of ``models``: name, task, reference. Raises: ModelReferenceError."""
    references: dict[tuple[str, str], list[str]] = {}
    for name, task, reference in models:
        references.setdefault((name, task), []).append(reference)
    for (name, _), given in references.items():
        if len(given) > 1:
            raise ModelReferenceError(
                f"{len(given)} models are named {name!r} ({', '.join(map(repr, given))}); rename a folder, or the name "
                "in its jan_ort.json"
            )


def is_named(resident: Resident, name: str) -> bool:
    """Whether a name means the model: its own, or what it was configured as, with its provider or without."""
    return name in (resident.name, resident.choice.reference, resident.choice.text)
