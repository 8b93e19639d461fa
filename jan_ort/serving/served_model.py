"""What every model that is served has, whatever it does: its folder, its tokenizer, and how its session is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.ground.task import EMBED, GENERATE, RERANK, Task
from jan_ort.ground.worker_pool import WorkerPool
from jan_ort.models.backend_text_tokenizer import BackendTextTokenizer
from jan_ort.models.cache.model_use import ModelUse
from jan_ort.models.control_tokens import MarkedText
from jan_ort.models.folder import ModelFolder
from jan_ort.models.tokenizer import MAX_TEXT_BYTES, TextTokenizer, TextTooLong
from jan_ort.plugins import guarded_session
from jan_ort.plugins.asking import ask_tokenizer
from jan_ort.plugins.choice import NoBackendError
from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort.serving.memory import trim_memory
from jan_ort.settings.schema import Settings
from jan_ort_backends import Backend, DeviceReport, OpenOptions, Session

_LONG_TEXT = 4096
"""Characters from which tokenizing leaves the event loop for a thread."""

LONG_WORK = 65_536
"""Characters from which one of a pool's threads is left to shorter work."""

_LARGE_WORK = 2**20
"""Characters from which tokenizing leaves so much freed memory behind that it is given back to the system."""

_EACH_TEXT = 64
"""Characters that take as long as to begin with a text."""

MAX_WAITING = 512
"""Requests that wait for a thread of one of a model's pools."""


Read = TypeVar("Read")


def text_pool() -> WorkerPool:
    """Return the threads that tokenize for one model: two, so that a long text is not the only one."""
    return WorkerPool("tokenize", 2, MAX_WAITING)


@dataclass(frozen=True, kw_only=True)
class ServedModel(ABC):
    """What every served model has.

    ``use`` keeps its folder from being removed from the cache; ``tokenizing`` are the threads for long texts.
    """

    folder: ModelFolder
    use: ModelUse
    tokenizer: TextTokenizer
    backend: str
    context_length: int
    weights_hash: str
    tokenizing: WorkerPool = field(default_factory=text_pool)

    @property
    def name(self) -> str:
        """The name that responses and ``/v1/models`` give."""
        return self.folder.name

    @property
    @abstractmethod
    def device(self) -> DeviceReport:
        """Where the model runs now; it may run elsewhere after its device was lost."""

    @abstractmethod
    def close(self) -> bool:
        """End its requests and free the model. May be called twice. Returns whether it is free."""

    async def encode(self, text: str, *, fits: bool = False) -> NDArray[np.int64]:
        """Return the token ids of ``text``; a long one is tokenized off the event loop. Raises: as ``encode_all``."""
        return (await self.encode_all([text], fits=fits))[0]

    async def encode_marked(self, text: MarkedText, *, fits: bool = False) -> NDArray[np.int64]:
        """Return the token ids of a marked prompt, as ``encode`` does of a plain one. Raises: as ``encode_all``."""
        if not text.stand_ins:
            return await self.encode(text.text, fits=fits)
        return (await self._each(lambda _: self.tokenizer.encode_marked(text), [text.plain], fits=fits))[0]

    async def encode_all(self, texts: Sequence[str], *, fits: bool = False) -> list[NDArray[np.int64]]:
        """Return the token ids of each text; together long ones are tokenized off the event loop.

        Raises: TextTooLong, with ``fits``, for what cannot fit the context, mostly before it is read; TokenizerFailed.
        """
        return await self._each(self.tokenizer.encode, texts, fits=fits)

    async def encode_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return the token ids of as much of each text as fits the context. Raises: TokenizerFailed."""
        return await self._each(lambda text: self.tokenizer.encode_start(text, self.context_length), texts)

    async def encode_parts(self, texts: Sequence[str], *, fits: bool = False) -> list[NDArray[np.int64]]:
        """Return the token ids of texts that do not begin a prompt: no BOS, no template. Raises: as ``encode_all``."""
        return await self._each(self.tokenizer.encode_part, texts, fits=fits)

    async def encode_behind(self, first: str) -> Callable[[Sequence[str]], Awaitable[list[NDArray[np.int64]]]]:
        """Return what gives the token ids of pairs, by their second texts. Raises, as it does: as ``encode_all``."""
        (behind,) = await self._each(self.tokenizer.encode_behind, [first], fits=True)
        return lambda seconds: self._each(behind, seconds, fits=True)

    async def check_all(self, prompts: Sequence[Sequence[int]]) -> list[NDArray[np.int64]]:
        """Return prompts that are given as token ids, int64 ``(n,)`` each. Raises: TokenIdError."""
        return await self._each(self.tokenizer.checked, prompts)

    async def _each(self, read: Callable[[Any], Read], given: Sequence[Any], *, fits: bool = False) -> list[Read]:
        limit = self.context_length if fits else None
        size = sum(map(len, given)) + _EACH_TEXT * len(given)
        if limit is not None:
            await self._check_unread(given, limit, size)
        if size < _LONG_TEXT:
            return [read(each) for each in given]
        is_wanted = True

        def work() -> list[Read]:
            try:
                if limit is not None:
                    _check_each(self.tokenizer.check_fits, given, limit)
                return [read(each) for each in given if is_wanted]
            finally:
                if size >= _LARGE_WORK:
                    trim_memory()

        try:
            return await self.tokenizing.run(work, is_long=size >= LONG_WORK)
        finally:
            is_wanted = False

    async def _check_unread(self, texts: Sequence[str], limit: int, size: int) -> None:
        def check() -> None:
            _check_each(self.tokenizer.check_unread, texts, limit)

        if size < LONG_WORK:
            check()
        else:  # characters of 14 MB are counted in 50 ms: no long work, which it need not wait for
            await self.tokenizing.run(check)

    async def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids. Raises: TokenIdError."""
        is_long = len(token_ids) >= LONG_WORK
        return await self.tokenizing.run(lambda: self.tokenizer.decode(token_ids), is_long=is_long)

    def close_base(self) -> None:
        """Let go of what every model has; what waits for its tokenizer is told that the server is stopping."""
        self.tokenizing.close()
        self.use.close()


def _check_each(check: Callable[[str, int], None], texts: Sequence[str], limit: int) -> None:
    """Check each text. Raises: TextTooLong, which says which one it is."""
    for at, text in enumerate(texts):
        try:
            check(text, limit)
        except TextTooLong as error:
            error.place = at
            raise


def open_session(path: Path, backend: Backend, settings: Settings, task: Task) -> Session:
    """Open a model folder for a task, with the options that are configured.

    Raises: NoBackendError, BackendError; ModelFolderError if the model does something else.
    """
    if task.capability not in backend.capabilities:
        raise NoBackendError(f"backend {backend.name!r} cannot {task.capability}; choose another with --backend")
    length = settings.context_length if task.takes_context_length else None
    extra = settings.options_of(backend.name)
    if task == EMBED and settings.pooling is not None:
        extra["pooling"] = settings.pooling
    options = OpenOptions(settings.num_slots, context_length=length, extra=extra)
    session = (open_isolated if settings.isolate else guarded_session.open_session)(backend, path, options)
    if not (session.info.vocab_size if task == GENERATE else session.info.embedding_size):
        session.close()
        gives, others = ("vectors or scores", "--embedding-model") if task == GENERATE else ("tokens", "--model")
        raise ModelFolderError(
            f"{path} cannot {task}: it gives {gives}; name it with {others}, or correct "
            "architectures in its config.json"
        )
    if task == EMBED and session.info.embedding_size == 1:
        session.close()
        raise ModelFolderError(
            f"{path} cannot embed: it gives one number, as models that score pairs of texts do; if it is one, change "
            "architectures in its config.json to a name that ends with ForSequenceClassification"
        )
    return session


def open_tokenizer(
    folder: ModelFolder, max_text_bytes: int = MAX_TEXT_BYTES, *, backend: Backend | None = None
) -> TextTokenizer:
    """Read the tokenizer of a model folder. Raises: ModelFolderError; BackendError if it is the backend's own."""
    kind = (
        partial(BackendTextTokenizer, own=ask_tokenizer(backend, folder.path))
        if folder.backend_tokenizes
        else TextTokenizer
    )
    return kind(
        folder.path / "tokenizer.json",
        bos_token_id=folder.bos_token_id,
        add_bos=folder.add_bos,
        add_special_tokens=folder.task.marks_texts,
        max_text_bytes=max_text_bytes,
        reads_marks=folder.task != RERANK,
        pair_template=folder.pair_template,
    )
