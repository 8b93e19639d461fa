"""A model that continues prompts: engine, template, and what its chat template says."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from jan_ort.chat.formats import TemplateView, ToolFormat, find_format, read_template
from jan_ort.chat.picture_parts import PictureForm, find_form
from jan_ort.chat.reasoning import Thoughts, find_thoughts
from jan_ort.chat.template import ChatTemplate, ChatTemplateError
from jan_ort.engine.engine import Engine
from jan_ort.engine.in_flight import Delivery
from jan_ort.ground.task import GENERATE
from jan_ort.ground.worker_pool import WorkerPool
from jan_ort.models.cache.model_use import ModelUse
from jan_ort.models.fill_in_middle import FillInMiddle
from jan_ort.models.folder import ModelFolder
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.serving.drafting import open_drafter
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.prompt_cache import max_saved_bytes, open_pool
from jan_ort.serving.served_model import MAX_WAITING, ServedModel, open_session, open_tokenizer
from jan_ort.serving.served_task import ServedTask
from jan_ort.settings.schema import Settings
from jan_ort_backends import DeviceReport, ImageInput

if TYPE_CHECKING:
    from jan_ort.structured.grammar_pool import GrammarPool

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GenerativeModel(ServedModel):
    """A model that continues prompts."""

    template: ChatTemplate | None
    engine: Engine
    vocab_size: int
    """How many token ids tokenizer and model share."""
    images: ImageInput | None = None
    """How the model reads images, None if it reads text only."""
    rendering: WorkerPool = field(default_factory=lambda: WorkerPool("template", 2, MAX_WAITING))
    """The threads for chat templates, which are programs."""
    share_prefixes: bool = False
    """Whether a prompt may go on from what was computed for another key's (--share-prefixes)."""
    image_hosts: tuple[str, ...] = ()
    """Where images may be fetched from (--allow-image-url)."""
    fetching: WorkerPool = field(default_factory=lambda: WorkerPool("fetch images", 4, MAX_WAITING))
    """The threads that fetch images."""
    encoding: WorkerPool = field(default_factory=lambda: WorkerPool("images", 1, MAX_WAITING))
    """The thread for its image encoder, beside the step loop's."""
    making: threading.Lock = field(default_factory=threading.Lock)
    """Held while ``grammars`` is made."""

    async def grammar_pool(self) -> GrammarPool:
        """Return what compiles grammars and schemas; the first time it is made, beside the event loop."""

        def make() -> GrammarPool:
            with self.making:
                return self.grammars

        return self.grammars if "grammars" in self.__dict__ else await self.rendering.run(make)

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
    def picture_form(self) -> PictureForm:
        """How the chat template takes images."""
        assert self.template is not None, "asked for conversations only"
        return find_form(self.template.render, self.image_text)

    @cached_property
    def image_text(self) -> str:
        """What the chat template writes where an image is to stand."""
        return "" if self.images is None else self.tokenizer.token_text(self.images.token_id)

    @cached_property
    def tool_format(self) -> ToolFormat:
        """How the model writes calls."""
        return find_format(self.template_view)

    @cached_property
    def tool_markers(self) -> dict[str, int]:
        """The special tokens that mark calls in the model's own format, by name."""
        return self._special_tokens(self.tool_format.markers)

    @cached_property
    def thoughts(self) -> Thoughts | None:
        """How the model thinks, None if it does not."""
        return self.tool_format.thoughts or find_thoughts(self.template_view.text)

    @cached_property
    def thought_markers(self) -> dict[str, int]:
        """The special tokens that mark thoughts, by name."""
        return {} if self.thoughts is None else self._special_tokens(self.thoughts.tokens)

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
        self.rendering.close()
        self.fetching.close()
        self.encoding.close()
        if "grammars" in self.__dict__:  # made when the first one is asked for
            self.grammars.close()
        try:
            return self.engine.close()
        finally:
            self.close_base()


def open_generative(found: FoundModel, settings: Settings, deliver: Delivery) -> GenerativeModel:
    """Open a model to generate from. Raises: BackendError, ChatTemplateError, ModelFolderError."""
    folder, backend = found.folder, found.backend
    with ExitStack() as undo:  # what is open already, if a later part fails
        use = undo.enter_context(closing(ModelUse(folder.path)))
        with ThreadPoolExecutor(1) as beside:  # each takes a quarter of a second, and the runtime holds no lock
            reading = beside.submit(open_tokenizer, folder, settings.max_text_bytes, backend=backend)
            session = undo.enter_context(closing(open_session(folder.path, backend, settings, GENERATE)))
        tokenizer = reading.result()
        vocab_size = _common_size(folder, tokenizer, session.info.vocab_size)
        template = _template(folder, tokenizer)
        max_bytes = max_saved_bytes(settings)
        drafter = open_drafter(found, session.info, tokenizer, settings)
        if drafter is not None:
            undo.callback(drafter.close)
        engine = Engine(
            session,
            capabilities=backend.capabilities,
            tokens=tokenizer,
            eos_token_ids=folder.eos_token_ids,
            deliver=deliver,
            vocab_size=vocab_size,
            max_queued=settings.max_queued,
            prefill_step_s=settings.prefill_step_s,
            max_saved_bytes=max_bytes,
            pool=open_pool(session.info, settings, max_bytes),
            drafter=drafter,
            reopen=lambda: open_session(folder.path, backend, settings, GENERATE),
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
        images=session.info.images,
        share_prefixes=settings.share_prefixes,
        image_hosts=settings.allow_image_url,
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
    try:
        return ChatTemplate(folder.chat_template, tool_use=folder.tool_use_template, bos_token=bos, eos_token=eos)
    except ChatTemplateError as error:
        raise ChatTemplateError(f"{folder.path}: {error}") from error


def _abilities(folder: ModelFolder | None, model: GenerativeModel | None) -> list[str]:
    """Return what the model can be asked for; "insert" and "vision" are known of a loaded one only."""
    able = ["completion"]
    if folder is not None and folder.chat_template is not None:
        able += ["chat", "tools"]  # tools are described to a model whose template knows none
    if model is not None and model.fill_in_middle is not None:
        able.append("insert")
    if model is not None and model.images is not None:
        able.append("vision")
    return able


GENERATING = ServedTask(GENERATE, GenerativeModel, open_generative, _abilities)
