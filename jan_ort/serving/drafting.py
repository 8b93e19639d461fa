"""Who guesses tokens for a model, as the settings want it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from jan_ort.engine.speculation.draft_model import DraftModel
from jan_ort.engine.speculation.drafter import Drafter
from jan_ort.engine.speculation.kinds import DRAFTERS
from jan_ort.ground.task import GENERATE
from jan_ort.models.cache.model_use import ModelUse
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.served_model import open_session, open_tokenizer
from jan_ort.settings.schema import Settings
from jan_ort_backends import Capability, ModelError, SessionInfo

logger = logging.getLogger(__name__)


def open_drafter(found: FoundModel, info: SessionInfo, tokenizer: TextTokenizer, settings: Settings) -> Drafter | None:
    """Return what drafts for a model, None if tokens are not guessed.

    Raises: ModelError for a model whose slots cannot be cut to where a draft went wrong, and for a draft model that
    cannot guess for it; BackendError if that cannot be opened.
    """
    kind = settings.speculate
    if kind == "off":
        return None
    _check_cut(f"--speculate {kind}", found.folder.name, info, "serve it with --speculate off")
    if found.draft is not None:
        return _open_draft_model(found, found.draft, info, tokenizer, settings)
    return DRAFTERS[str(kind)]()


def draft_context_length(draft: FoundModel, length: int) -> int:
    """Return how many tokens a slot of a draft model is to hold, for a model whose slots hold ``length``."""
    return min(length, draft.folder.context_length)


def _open_draft_model(
    found: FoundModel, draft: FoundModel, info: SessionInfo, tokenizer: TextTokenizer, settings: Settings
) -> DraftModel:
    own = draft.own(settings).model_copy(update={"context_length": draft_context_length(draft, info.context_length)})
    names = draft.folder.name, found.folder.name
    check_vocabulary(open_tokenizer(draft.folder, backend=draft.backend), tokenizer, *names)
    _warn_of_size(draft.folder.path, found.folder.path)
    with ExitStack() as undo:
        use = undo.enter_context(closing(ModelUse(draft.folder.path)))
        session = undo.enter_context(closing(open_session(draft.folder.path, draft.backend, own, GENERATE)))
        _check_cut("--draft-model", draft.folder.name, session.info, "take another one")
        drafter = DraftModel(
            session,
            vocab_size=min(info.vocab_size, tokenizer.vocab_size),
            eos_token_ids=found.folder.eos_token_ids,
            mixed=Capability.MIXED_BATCH in draft.backend.capabilities,
            closed=use.close,
        )
        drafter.measure()
        undo.pop_all()
    logger.info("%s guesses tokens for %s, on %s", *names, session.info.device.used)
    return drafter


def _check_cut(flag: str, name: str, info: SessionInfo, remedy: str) -> None:
    if info.num_checkpoints is not None:
        raise ModelError(
            f"{flag} needs a model whose slots can be cut anywhere, and {name} keeps a state that can be cut at "
            f"checkpoints only; {remedy}"
        )


def check_vocabulary(drafts: TextTokenizer, tokenizer: TextTokenizer, draft_name: str, name: str) -> None:
    """Check that two models have the same token for each id that both have. Raises: ModelError with one that differs.

    One may have some more at the end: a vocabulary is often filled up to a round number.
    """
    num = min(drafts.vocab_size, tokenizer.vocab_size)
    theirs, ours = (_spelling(each) for each in (drafts, tokenizer))
    wrong = next((each for each in range(num) if theirs(each) != ours(each)), None)
    if wrong is not None:
        raise ModelError(
            f"--draft-model {draft_name} has another vocabulary than {name}: token {wrong} is {theirs(wrong)!r} there "
            f"and {ours(wrong)!r} here; take a model of the same family"
        )


def _spelling(tokenizer: TextTokenizer) -> Callable[[int], bytes]:
    return lambda token_id: tokenizer.token_name_bytes(token_id)


def _warn_of_size(draft: Path, model: Path) -> None:
    sizes = [sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) for folder in (draft, model)]
    if sizes[0] > sizes[1]:
        logger.warning(
            "the draft model %s has %.1f GB and the model that it guesses for %.1f GB: it can hardly make that faster",
            draft,
            sizes[0] / 1e9,
            sizes[1] / 1e9,
        )
