"""A model that is being served: its folder, tokenizer, template, and what computes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jan_ort.chat.formats import TemplateView, ToolFormat, find_format, read_template
from jan_ort.chat.reasoning import ThoughtMarkers, find_thoughts
from jan_ort.chat.template import ChatTemplate
from jan_ort.engine.engine import CLOSE_S, Delivery, Engine
from jan_ort.engine.errors import EngineStopped, QueueFull, StepFailed
from jan_ort.models.cache.model_use import ModelUse
from jan_ort.models.fill_in_middle import FillInMiddle
from jan_ort.models.folder import ModelFolder
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.plugins import guarded_session
from jan_ort.plugins.choice import NoBackendError
from jan_ort.serving.recovering_embedder import RecoveringEmbedder
from jan_ort.settings.schema import Settings
from jan_ort_backends import (
    Backend,
    BackendError,
    BadInput,
    Capability,
    ContextOverflow,
    DeviceLost,
    DeviceReport,
    OpenOptions,
    Session,
)

if TYPE_CHECKING:
    from jan_ort.structured.grammar_pool import GrammarPool

logger = logging.getLogger(__name__)

_LONG_TEXT = 4096
"""Characters from which tokenizing leaves the event loop for a thread."""


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """What every served model has; ``use`` keeps its folder from being removed from the cache."""

    folder: ModelFolder
    use: ModelUse
    tokenizer: TextTokenizer
    backend: str
    context_length: int
    weights_hash: str

    @property
    def name(self) -> str:
        """The name that responses and ``/v1/models`` give."""
        return self.folder.name

    async def encode(self, text: str) -> NDArray[np.int64]:
        """Return the token ids of ``text``; a long one is tokenized off the event loop."""
        return (await self.encode_all([text]))[0]

    async def encode_all(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return the token ids of each text; together long ones are tokenized off the event loop."""
        encode = self.tokenizer.encode
        if sum(map(len, texts)) < _LONG_TEXT:
            return [encode(text) for text in texts]
        return await asyncio.to_thread(lambda: [encode(text) for text in texts])


@dataclass(frozen=True, kw_only=True)
class GenerativeModel(ServedModel):
    """A model that continues prompts."""

    template: ChatTemplate | None
    engine: Engine
    vocab_size: int
    """How many token ids tokenizer and model share."""

    @cached_property
    def grammars(self) -> GrammarPool:
        """Compiles grammars and schemas for this model."""
        # Imported when the first one is asked for: the library costs the start 50 ms.
        from jan_ort.structured.compiler import GrammarCompiler
        from jan_ort.structured.grammar_pool import GrammarPool
        from jan_ort.structured.vocabulary import GrammarVocabulary

        vocabulary = GrammarVocabulary(self.tokenizer, self.folder.eos_token_ids, self.vocab_size)
        return GrammarPool(GrammarCompiler(vocabulary))

    @cached_property
    def template_view(self) -> TemplateView:
        """What the chat template for conversations with tools writes and reads."""
        source = self.folder.tool_use_template or self.folder.chat_template
        assert source is not None, "asked for conversations only"
        return read_template(source)

    @cached_property
    def tool_format(self) -> ToolFormat:
        """How the model writes calls."""
        return find_format(self.template_view)

    @cached_property
    def tool_markers(self) -> dict[str, int]:
        """The special tokens that mark calls in the model's own format, by name."""
        return self._special_tokens(self.tool_format.markers)

    @cached_property
    def thoughts(self) -> ThoughtMarkers | None:
        """What stands around the model's thoughts, None if it has none."""
        return find_thoughts(self.template_view.text)

    @cached_property
    def thought_markers(self) -> dict[str, int]:
        """The special tokens that mark thoughts, by name."""
        return {} if self.thoughts is None else self._special_tokens((self.thoughts.opening, self.thoughts.closing))

    @cached_property
    def fill_in_middle(self) -> FillInMiddle | None:
        """The tokens that mark a gap to fill, None if the model has none."""
        return FillInMiddle.find(self.tokenizer)

    def _special_tokens(self, names: Iterable[str]) -> dict[str, int]:
        found = {name: token_id for name in names if (token_id := self.tokenizer.token_id(name)) is not None}
        return {name: token_id for name, token_id in found.items() if not self.tokenizer.token_bytes(token_id)}

    @property
    def device(self) -> DeviceReport:
        """Where the model runs now; it may run elsewhere after its device was lost."""
        return self.engine.device

    def close(self) -> bool:
        """End its requests and free it. May be called twice. Returns whether its engine's thread has ended."""
        if "grammars" in self.__dict__:  # made when the first one is asked for
            self.grammars.close()
        try:
            return self.engine.close()
        finally:
            self.use.close()


@dataclass(frozen=True, kw_only=True)
class EmbeddingModel(ServedModel):
    """A model that turns texts into vectors; one thread owns its session."""

    session: Session
    thread: ThreadPoolExecutor
    max_queued: int = 512
    queued: set[Future[NDArray[np.float32]]] = field(default_factory=set)

    async def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return one vector a row of token ids: float32 ``(len(batch), embedding_size)``.

        Raises: QueueFull if as many batches as sequences may be queued wait already; EngineStopped; StepFailed;
        BadInput, ContextOverflow, DeviceLost.
        """
        if len(self.queued) >= self.max_queued:
            raise QueueFull(len(self.queued), self.max_queued)
        try:
            future = self.thread.submit(self.session.embed, batch)
        except RuntimeError as error:  # the thread is shut down
            raise EngineStopped from error
        self.queued.add(future)
        future.add_done_callback(self.queued.discard)  # not before: a batch runs on when its client has gone
        try:
            return await asyncio.wrap_future(future)
        except BackendError as error:
            if isinstance(error, (BadInput, ContextOverflow, DeviceLost)):
                raise
            logger.warning("the backend failed to embed: %s", error)
            raise StepFailed(f"the backend failed: {error}") from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # the client has gone
            raise EngineStopped from None  # close() has dropped the batch

    def _special_tokens(self, names: Iterable[str]) -> dict[str, int]:
        found = {name: token_id for name in names if (token_id := self.tokenizer.token_id(name)) is not None}
        return {name: token_id for name, token_id in found.items() if not self.tokenizer.token_bytes(token_id)}

    @property
    def device(self) -> DeviceReport:
        """Where the model runs now; it may run elsewhere after its device was lost."""
        return self.session.info.device

    def close(self) -> bool:
        """Wait for the batch that is running, but not for ever, and free the model. May be called twice.

        Returns whether it is free.
        """
        try:
            self.thread.shutdown(wait=False, cancel_futures=True)
            if wait(list(self.queued), CLOSE_S).not_done:
                logger.warning("%s is left as it is: its backend has not come back after %g s", self.name, CLOSE_S)
                return False
            self.session.close()
            return True
        finally:
            self.use.close()


def open_generative(folder: ModelFolder, backend: Backend, settings: Settings, deliver: Delivery) -> GenerativeModel:
    """Open a model folder to generate from. Raises: BackendError, ChatTemplateError, ModelFolderError."""
    with ExitStack() as undo:  # what is open already, if a later part fails
        use = undo.enter_context(closing(ModelUse(folder.path)))
        with ThreadPoolExecutor(1) as beside:  # each takes a quarter of a second, and the runtime holds no lock
            reading = beside.submit(_tokenizer, folder)
            session = undo.enter_context(closing(open_session(folder.path, backend, settings, Capability.GENERATE)))
        tokenizer = reading.result()
        vocab_size = _common_size(folder, tokenizer, session.info.vocab_size)
        template = _template(folder, tokenizer)
        engine = Engine(
            session,
            capabilities=backend.capabilities,
            tokens=tokenizer,
            eos_token_ids=folder.eos_token_ids,
            deliver=deliver,
            vocab_size=vocab_size,
            max_queued=settings.max_queued,
            reopen=lambda: open_session(folder.path, backend, settings, Capability.GENERATE),
        )
        undo.pop_all()
    engine.start()
    return GenerativeModel(
        folder=folder,
        use=use,
        tokenizer=tokenizer,
        backend=backend.name,
        context_length=session.info.context_length,
        weights_hash=session.info.weights_hash,
        template=template,
        engine=engine,
        vocab_size=vocab_size,
    )


def open_embedding(folder: ModelFolder, backend: Backend, settings: Settings) -> EmbeddingModel:
    """Open a model folder to embed with. Raises: BackendError, ModelFolderError."""
    with ExitStack() as undo:  # what is open already, if a later part fails
        use = undo.enter_context(closing(ModelUse(folder.path)))
        opened = undo.enter_context(closing(open_session(folder.path, backend, settings, Capability.EMBED)))
        tokenizer = _tokenizer(folder)
        undo.pop_all()
    session = RecoveringEmbedder(opened, lambda: open_session(folder.path, backend, settings, Capability.EMBED))
    return EmbeddingModel(
        folder=folder,
        use=use,
        tokenizer=tokenizer,
        backend=backend.name,
        context_length=session.info.context_length,
        weights_hash=session.info.weights_hash,
        session=session,
        thread=ThreadPoolExecutor(1, thread_name_prefix="embed"),
        max_queued=settings.max_queued,
    )


def open_session(path: Path, backend: Backend, settings: Settings, needed: Capability) -> Session:
    """Open a model folder with the options that are configured. Raises: NoBackendError, BackendError."""
    if needed not in backend.capabilities:
        raise NoBackendError(f"backend {backend.name!r} cannot {needed.value}; choose another with --backend")
    length = settings.context_length if needed is Capability.GENERATE else None
    options = OpenOptions(settings.num_slots, context_length=length, extra=settings.options_of(backend.name))
    return guarded_session.open_session(backend, path, options)


def _tokenizer(folder: ModelFolder) -> TextTokenizer:
    return TextTokenizer(
        folder.path / "tokenizer.json",
        bos_token_id=folder.bos_token_id,
        add_bos=folder.add_bos,
        add_special_tokens=folder.task == "embed",
    )


def _common_size(folder: ModelFolder, tokenizer: TextTokenizer, num_logits: int) -> int:
    """Return how many token ids tokenizer and model share, and warn of what will not work."""
    if tokenizer.vocab_size > num_logits:
        logger.warning(
            "%s: tokenizer.json has %d tokens and the model %d; prompts with the others are refused",
            folder.name,
            tokenizer.vocab_size,
            num_logits,
        )
    if not folder.eos_token_ids:
        logger.warning(
            "%s names no end-of-text token, so its answers go on to their limit: "
            "add eos_token_id to generation_config.json",
            folder.name,
        )
    return min(tokenizer.vocab_size, num_logits)


def _template(folder: ModelFolder, tokenizer: TextTokenizer) -> ChatTemplate | None:
    if folder.chat_template is None:
        return None
    bos = "" if folder.bos_token_id is None else tokenizer.token_text(folder.bos_token_id)
    eos = tokenizer.token_text(folder.eos_token_ids[0]) if folder.eos_token_ids else ""
    return ChatTemplate(folder.chat_template, tool_use=folder.tool_use_template, bos_token=bos, eos_token=eos)
