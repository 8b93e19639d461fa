"""What a server's list of models tells: the names of each task, and the limits."""

from __future__ import annotations

from typing import Any


def metadata_of(listed: Any) -> list[dict[str, Any]]:
    """Return what the list of models tells of each, those that generate first; nothing if it tells nothing."""
    try:
        told = [model["metadata"] for model in listed["data"] if isinstance(model.get("metadata"), dict)]
    except (KeyError, TypeError, AttributeError):
        return []
    told = [each for each in told if isinstance(each.get("tasks"), list)]
    return sorted(told, key=lambda each: "generate" not in each["tasks"])


def models_of(listed: Any) -> dict[str, str]:
    """Return the first model of each task; where tasks are not told, the first of all may have any."""
    found: dict[str, str] = {}
    for model in listed["data"] if isinstance(listed, dict) and isinstance(listed.get("data"), list) else ():
        if isinstance(model, dict) and isinstance(model.get("id"), str):
            metadata = model.get("metadata")
            told = metadata.get("tasks") if isinstance(metadata, dict) else None
            for task in told if isinstance(told, list) else ("generate", "embed"):
                found.setdefault(str(task), model["id"])
    return found


def tasks_of(metadata: list[dict[str, Any]]) -> frozenset[str] | None:
    """Return the tasks of all models together; None where none are told."""
    return frozenset(str(task) for each in metadata for task in each["tasks"]) if metadata else None


def model_length_of(listed: Any) -> int | None:
    """Return the context length of the first model where the list tells it as vLLM's does."""
    models = listed["data"] if isinstance(listed, dict) and isinstance(listed.get("data"), list) else []
    return number_of([each for each in models[:1] if isinstance(each, dict)], "max_model_len")


def number_of(metadata: list[dict[str, Any]], name: str) -> int | None:
    """Return a number that is told of the first model; None where it is not."""
    found = metadata[0].get(name) if metadata else None
    return found if isinstance(found, int) else None
