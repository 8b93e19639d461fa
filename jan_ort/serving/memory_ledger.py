"""Which models have been let into memory: one that does not fit with its KV cache is refused before it is loaded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from jan_ort.ground.available_memory import available_bytes, used_bytes
from jan_ort.ground.model_errors import ModelTooLarge
from jan_ort.ground.task import Task
from jan_ort.models.folder import ModelFolder
from jan_ort.plugins.asking import ask_memory_need
from jan_ort.settings.schema import Settings
from jan_ort_backends import Backend, OpenOptions
from jan_ort_backends.memory import MemoryNeed

logger = logging.getLogger(__name__)

LEAST_CONTEXT_LENGTH = 2048
"""Tokens of a slot below which a model's own context length is not lowered unasked."""


class MemoryLedger:
    """The needs of the models that are loaded or being loaded. Thread-safe.

    A KV cache takes memory as it fills. So what loaded models may still take is what they need less what this process
    has grown by since the first of them: that much of what is available is spoken for.
    """

    def __init__(
        self, available: Callable[[], int] = available_bytes, used: Callable[[bool], int] = used_bytes
    ) -> None:
        self._available = available
        self._used = used
        self._lock = threading.Lock()
        self._needs: dict[object, MemoryNeed] = {}
        self._used_before = 0

    def admit(self, key: object, task: Task, folder: ModelFolder, backend: Backend, settings: Settings) -> Settings:
        """Note that a model is being loaded, and return the settings to open it with; ``release`` undoes it.

        A context length that nobody has given is lowered to what fits. Raises: ModelTooLarge, with the sum.
        """
        if settings.memory_limit_mb == 0:
            return settings
        options = OpenOptions(settings.num_slots, settings.context_length, settings.options_of(backend.name))
        if not task.takes_context_length:
            options = replace(options, context_length=None)
        if (need := ask_memory_need(backend, folder.path, options)) is None:
            return settings
        with self._lock:
            left = self._left(settings)
            length = options.context_length
            if need.total_bytes > left and need.kv_cache_bytes and length is None:
                for shorter in _shorter(folder.context_length):
                    fitting = ask_memory_need(backend, folder.path, replace(options, context_length=shorter))
                    if fitting is not None and fitting.total_bytes <= left:
                        _tell(folder, need, left, shorter, settings)
                        need, length = fitting, shorter
                        break
            if need.total_bytes > left:
                raise ModelTooLarge(refusal(folder, need, left, settings))
            self._needs[key] = need
        return settings if length == options.context_length else settings.model_copy(update={"context_length": length})

    def release(self, key: object) -> None:
        """Note that a model is not in memory, or no longer."""
        with self._lock:
            self._needs.pop(key, None)

    def need(self, key: object) -> MemoryNeed | None:
        """Return what an admitted model needs, None where its backend does not tell."""
        return self._needs.get(key)

    def _left(self, settings: Settings) -> int:
        promised = sum(each.total_bytes for each in self._needs.values())
        if settings.memory_limit_mb is not None:
            return settings.memory_limit_mb * 2**20 - promised
        used = self._used(settings.isolate)
        if not self._needs:
            self._used_before = used
        return self._available() - max(0, promised - (used - self._used_before))


def _shorter(context_length: int) -> Iterator[int]:
    length = context_length // 2
    while length >= LEAST_CONTEXT_LENGTH:
        yield length
        length //= 2


def _tell(folder: ModelFolder, need: MemoryNeed, left: int, length: int, settings: Settings) -> None:
    logger.warning(
        "%s needs %s and %s are available: its context length is lowered from %s to %s tokens; --context-length or "
        "--num-slots decide otherwise",
        folder.name,
        sum_of(need, settings.num_slots, folder.context_length),
        _gigabytes(left),
        f"{folder.context_length:,}",
        f"{length:,}",
    )


def refusal(folder: ModelFolder, need: MemoryNeed, left: int, settings: Settings) -> str:
    """Return why a model is not loaded, with the sum and what to do."""
    length = settings.context_length or folder.context_length
    fewer = "lower --num-slots or --context-length, take a smaller model or --weights int4"
    return (
        f"{folder.path} needs {sum_of(need, settings.num_slots, length)} of memory, and {_gigabytes(max(0, left))} are "
        f"available; {fewer if need.kv_cache_bytes else 'close other programs'}, or load it nevertheless with "
        "--memory-limit-mb 0"
    )


def sum_of(need: MemoryNeed, num_slots: int, context_length: int) -> str:
    """Return the sum with its parts."""
    cache = f"KV cache {need.kv_cache_bytes / 1e9:.1f} for {num_slots} slots of {context_length:,} tokens, "
    return (
        f"{_gigabytes(need.total_bytes)} (weights {need.weights_bytes / 1e9:.1f}, "
        f"{cache if need.kv_cache_bytes else ''}working memory {need.working_bytes / 1e9:.1f})"
    )


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB"
