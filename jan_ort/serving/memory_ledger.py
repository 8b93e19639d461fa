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
from jan_ort.serving.drafting import draft_context_length
from jan_ort.serving.found_model import FoundModel
from jan_ort.settings.schema import Settings
from jan_ort_backends import OpenOptions
from jan_ort_backends.memory import MemoryNeed

logger = logging.getLogger(__name__)

LEAST_CONTEXT_LENGTH = 2048
"""Tokens of a slot below which a model's own context length is not lowered unasked; fewer slots come first."""


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

    def admit(
        self, key: object, task: Task, found: FoundModel, settings: Settings, *, may_shrink: bool = True
    ) -> Settings:
        """Note that a model is being loaded, and return the settings to open it with; ``release`` undoes it.

        What guesses tokens for it is counted with it, for that has as many slots. A context length, and then a number
        of slots, that nobody has given is lowered to what fits, if it ``may_shrink``.
        Raises: ModelTooLarge, with the sum of the least that was tried.
        """
        if settings.memory_limit_mb == 0:
            return settings
        folder = found.folder
        options = OpenOptions(settings.num_slots, settings.context_length, settings.options_of(found.backend.name))
        if not task.takes_context_length:
            options = replace(options, context_length=None)
        if (need := _need(found, options, settings)) is None:
            return settings
        with self._lock:
            left, least, wanted = self._left(settings), settings, need
            for smaller in _smaller(settings, folder.context_length) if may_shrink and need.kv_cache_bytes else ():
                if need.total_bytes <= left:
                    break
                options = replace(options, num_slots=smaller.num_slots, context_length=smaller.context_length)
                if (less := _need(found, options, settings)) is None:
                    break
                need, least = less, smaller
            if need.total_bytes > left:
                raise ModelTooLarge(refusal(found, need, left, least))
            self._needs[key] = need
        if least is not settings:
            _tell(folder, wanted, left, settings, least)
        return least

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


def _need(found: FoundModel, options: OpenOptions, settings: Settings) -> MemoryNeed | None:
    """Return what a backend says, with the cached prompts that a model that generates was given room for."""
    need = ask_memory_need(found.backend, found.folder.path, options)
    if need is None or not need.kv_cache_bytes:
        return need
    need = replace(need, working_bytes=need.working_bytes + (settings.prompt_cache_mb or 0) * 2**20)
    if found.draft is None:
        return need
    length = options.context_length or found.folder.context_length
    return _with_draft(need, found.draft, replace(options, context_length=length), settings)


def _with_draft(need: MemoryNeed, draft: FoundModel, options: OpenOptions, settings: Settings) -> MemoryNeed:
    """Return the need of a model of this size and of what guesses for it, of which only the host's memory counts."""
    extra = draft.own(settings).options_of(draft.backend.name)
    length = draft_context_length(draft, options.context_length or draft.folder.context_length)
    own = ask_memory_need(draft.backend, draft.folder.path, replace(options, context_length=length, extra=extra))
    parts = (need,) if own is None else (need, own)
    return MemoryNeed(
        sum(each.weights_bytes for each in parts),
        sum(each.kv_cache_bytes for each in parts),
        sum(each.working_bytes for each in parts),
    )


def _smaller(settings: Settings, context_length: int) -> Iterator[Settings]:
    """Yield ever smaller sizes, of which nothing is smaller that was asked for."""
    if settings.context_length is None:
        while (context_length := context_length // 2) >= LEAST_CONTEXT_LENGTH:
            settings = settings.model_copy(update={"context_length": context_length})
            yield settings
    if "num_slots" not in settings.model_fields_set:
        for num_slots in range(settings.num_slots - 1, 0, -1):
            yield settings.model_copy(update={"num_slots": num_slots})


def _tell(folder: ModelFolder, need: MemoryNeed, left: int, before: Settings, after: Settings) -> None:
    """Say what was made smaller; whoever asks for more by a flag is told whether that fits."""
    length = before.context_length or folder.context_length
    lowered = []
    if (after.context_length or length) != length:
        lowered.append(f"its context length is lowered from {length:,} to {after.context_length:,} tokens")
    if after.num_slots != before.num_slots:
        lowered.append(f"its slots are lowered from {before.num_slots} to {after.num_slots}")
    logger.warning(
        "%s needs %s and %s are available: %s; --context-length or --num-slots decide otherwise",
        folder.name,
        sum_of(need, before.num_slots, length),
        _gigabytes(left, need),
        " and ".join(lowered),
    )


def refusal(found: FoundModel, need: MemoryNeed, left: int, settings: Settings) -> str:
    """Return why a model is not loaded, with the sum and what to do."""
    folder = found.folder
    draft = "" if found.draft is None else f" with {found.draft.folder.path}, which guesses tokens for it,"
    length = settings.context_length or folder.context_length
    slots = "--num-slots or " if settings.num_slots > 1 else ""
    fewer = f"lower {slots}--context-length, serve fewer models, use a smaller one or --weights int4"
    return (
        f"{folder.path}{draft} needs {sum_of(need, settings.num_slots, length)} of memory, and "
        f"{_gigabytes(max(0, left), need)} are available; {fewer if need.kv_cache_bytes else 'close other programs'}, "
        "or load it anyway with --memory-limit-mb 0"
    )


def sum_of(need: MemoryNeed, num_slots: int, context_length: int) -> str:
    """Return the sum with its parts."""
    weights, kv_cache, working = (
        _number(each, need) for each in (need.weights_bytes, need.kv_cache_bytes, need.working_bytes)
    )
    slots = f"{num_slots} slot{'s' if num_slots > 1 else ''}"
    cache = f"KV cache {kv_cache} for {slots} of {context_length:,} tokens, " if need.kv_cache_bytes else ""
    return f"{_gigabytes(need.total_bytes, need)} (weights {weights}, {cache}working memory {working})"


def _gigabytes(num_bytes: int, need: MemoryNeed) -> str:
    return f"{_number(num_bytes, need)} GB"


def _number(num_bytes: int, need: MemoryNeed) -> str:
    """Return a number of GB, with more digits where all of a model is less than one."""
    return f"{num_bytes / 1e9:.{1 if need.total_bytes >= 1e9 else 2}f}"
