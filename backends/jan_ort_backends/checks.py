"""Checks that every backend shares: a session keeps what its descriptor declares, a step's batch is well formed."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends.errors import BackendError, BadInput, ContextOverflow, ModelError
from jan_ort_backends.image_checks import check_runs
from jan_ort_backends.images import EMBEDDED
from jan_ort_backends.interface import Backend, Capability, OpenOptions, Session, SessionInfo, SlotTokens, StepOutput

METHODS: Mapping[Capability, tuple[str, ...]] = {
    Capability.GENERATE: ("step", "length", "truncate"),
    Capability.FORK: ("fork",),
    Capability.INTERRUPT: ("interrupt",),
    Capability.EMBED: ("embed",),
    Capability.IMAGES: ("encode_image",),
    Capability.STATE: ("save", "load"),
}
"""The methods of Session that each capability obliges a backend to override."""


def session_capabilities(backend: Backend, session: Session) -> frozenset[Capability]:
    """Return what ``session`` can do: what the backend declares, less what its model has no part in.

    A model without a language-modelling head has ``info.vocab_size`` 0 and only embeds; one whose
    ``info.embedding_size`` is 0 only generates. One whose ``info.num_checkpoints`` is None needs no checkpoints, and
    one whose ``info.images`` is None reads text only, and of one whose ``info.state_key`` is None no slot can be saved.
    """
    capabilities = frozenset(backend.capabilities)
    if session.info.vocab_size == 0:
        capabilities &= {Capability.EMBED}
    if session.info.embedding_size == 0:
        capabilities -= {Capability.EMBED}
    if session.info.num_checkpoints is None:
        capabilities -= {Capability.CHECKPOINTS}
    if session.info.images is None:
        capabilities -= {Capability.IMAGES}
    if session.info.state_key is None:
        capabilities -= {Capability.STATE}
    return capabilities


def check_session(backend: Backend, session: Session) -> None:
    """Check that declared = implemented, in both directions. Raises: BackendError naming the method and capability."""
    if not isinstance(session, Session):
        raise BackendError(f"backend {backend.name!r} opened a {type(session).__name__}; it must subclass Session")
    able = session_capabilities(backend, session)
    if not able & {Capability.GENERATE, Capability.EMBED}:
        raise BackendError(f"a session of backend {backend.name!r} can neither generate nor embed")
    told = (
        ("num_checkpoints", Capability.CHECKPOINTS),
        ("images", Capability.IMAGES),
        ("state_key", Capability.STATE),
    )
    for field, capability in told:
        if getattr(session.info, field) is not None and capability not in backend.capabilities:
            raise BackendError(
                f"a session of backend {backend.name!r} has {field} without the capability {capability.value}"
            )
    for capability, methods in METHODS.items():
        for method in methods:
            overridden = getattr(type(session), method) is not getattr(Session, method)
            if capability in able and not overridden:
                raise BackendError(f"backend {backend.name!r} declares {capability.value} without {method}()")
            if overridden and capability not in backend.capabilities:
                raise BackendError(
                    f"a session of backend {backend.name!r} has {method}() without the capability {capability.value}"
                )


def check_batch(batch: Sequence[SlotTokens], lengths: Sequence[int], info: SessionInfo) -> None:
    """Check a step's rows before anything is changed; ``lengths`` holds every slot's number of tokens.

    Raises: BadInput for an empty batch or row, a slot named twice or out of range, a token id outside the
    vocabulary, vectors that do not fit their places, or more logits than tokens; ContextOverflow for a row that does
    not fit its slot.
    """
    if not batch:
        raise BadInput("batch", "is empty; a step needs at least one row")
    seen: set[int] = set()
    for row in batch:
        check_slot("slot", row.slot, len(lengths))
        if row.slot in seen:
            raise BadInput("slot", f"{row.slot} is named twice in one batch")
        seen.add(row.slot)
        check_row(row, info)
        num_tokens = len(row.token_ids)
        if not 0 <= row.num_logits <= num_tokens:
            raise BadInput("num_logits", f"{row.num_logits} is outside 0..{num_tokens}, the row's number of tokens")
        if lengths[row.slot] + num_tokens > info.context_length:
            raise ContextOverflow(
                slot=row.slot,
                length=lengths[row.slot],
                num_tokens=num_tokens,
                context_length=info.context_length,
            )


def check_kind(batch: Sequence[SlotTokens], lengths: Sequence[int]) -> None:
    """Check that a step is one that a backend without ``MIXED_BATCH`` takes; ``lengths`` as for ``check_batch``.

    Raises: BadInput naming the slot, for several rows of which one has several tokens and one has a past.
    """
    if len(batch) == 1 or all(len(row.token_ids) == 1 for row in batch):
        return
    for row in batch:
        if lengths[row.slot]:
            raise BadInput(
                "batch",
                f"slot {row.slot} holds {lengths[row.slot]} tokens, and several rows of several tokens need empty "
                "slots; this backend does not declare mixed_batch",
            )


def check_row(row: SlotTokens, info: SessionInfo) -> None:
    """Check that a row's tokens are in the vocabulary, and that its vectors fit their places. Raises: BadInput."""
    token_ids = row.token_ids
    if row.embedded:
        check_runs(token_ids, row.embedded, info.images)
        token_ids = np.where(token_ids == EMBEDDED, 0, token_ids)
    check_token_ids(token_ids, info.vocab_size)


def check_token_ids(token_ids: NDArray[np.int64], vocab_size: int) -> None:
    """Check that a row has tokens and that all are in the vocabulary. Raises: BadInput."""
    if len(token_ids) == 0:
        raise BadInput("token_ids", "a row is empty; it needs at least one token")
    smallest, largest = int(token_ids.min()), int(token_ids.max())
    if smallest < 0 or largest >= vocab_size:
        wrong = smallest if smallest < 0 else largest
        raise BadInput("token_ids", f"{wrong} is outside the vocabulary, 0..{vocab_size - 1}")


def check_slot(param: str, slot: int, num_slots: int) -> None:
    """Raise BadInput, naming ``param``, unless ``slot`` is one of ``num_slots``."""
    if not 0 <= slot < num_slots:
        raise BadInput(param, f"{slot} is outside 0..{num_slots - 1}, the session's slots")


def check_prefix(slot: int, length: int, held: int, checkpoints: Collection[int] | None = None) -> None:
    """Raise BadInput unless ``slot``, which holds ``held`` tokens, can be cut to ``length``.

    ``checkpoints`` None: it can be cut anywhere; else there, at 0 and at its length.
    """
    if not 0 <= length <= held:
        raise BadInput("length", f"{length} is outside 0..{held}, the number of tokens in slot {slot}")
    if checkpoints is not None and length not in (0, held, *checkpoints):
        lengths = ", ".join(map(str, sorted({0, held, *checkpoints})))
        raise BadInput("length", f"{length} is not a length that slot {slot} can be cut to; it can be to {lengths}")


def check_options(options: OpenOptions, known: Iterable[str], max_context_length: int | None) -> None:
    """Check what is asked of a session, ``known`` being the names of the backend's own options.

    ``max_context_length`` None: the model's context length is not known yet.
    Raises: ModelError naming the option, its value and its limits.
    """
    if options.num_slots < 1:
        raise ModelError(f"num_slots is {options.num_slots}; a session needs at least 1")
    asked = options.context_length
    if asked is not None and not 1 <= asked <= (max_context_length or asked):
        raise ModelError(
            f"context_length {asked} is out of range; this model supports 1 to {max_context_length or 'its own limit'}"
        )
    names = sorted(known)
    for name in options.extra:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names) or 'none'}"
            raise ModelError(f"unknown option {name!r} of the backend; {hint}")


def check_output(
    output: object, batch: Sequence[SlotTokens], info: SessionInfo, capabilities: Collection[Capability] | None = None
) -> StepOutput:
    """Return a step's output once it is what the batch asked for; the server checks every step's.

    ``capabilities``: what the backend declares, so that the largest logits are there if it says so and only then.

    Whether a row's logits are numbers is not looked at here: the engine does, and ends that row's sequence alone.
    Raises: BackendError naming what is wrong.
    """
    if not isinstance(output, StepOutput):
        raise BackendError(f"step returned a {type(output).__name__}; it must return a StepOutput")
    num_rows = sum(row.num_logits for row in batch)
    _check_array("logits", output.logits, np.float32, (num_rows, info.vocab_size))
    if output.top_logits is not None or output.top_token_ids is not None:
        num_top = getattr(output.top_logits, "shape", ())[-1:]
        _check_array("top_logits", output.top_logits, np.float32, (num_rows, *num_top))
        _check_array("top_token_ids", output.top_token_ids, np.int64, (num_rows, *num_top))
        _check_range("top_token_ids", output.top_token_ids, info.vocab_size)
    if capabilities is not None:
        _check_declared(output, Capability.TOP_LOGITS in capabilities)
    return output


def _check_declared(output: StepOutput, declared: bool) -> None:
    if output.top_logits is not None and not declared:
        raise BackendError(f"step returned top_logits without the capability {Capability.TOP_LOGITS.value}")
    if output.top_logits is None and declared and len(output.logits):
        raise BackendError(f"step returned no top_logits, and the capability {Capability.TOP_LOGITS.value} is declared")


def check_vectors(vectors: object, num_rows: int, info: SessionInfo) -> NDArray[np.float32]:
    """Return the vectors of ``embed`` once they are what was asked for. Raises: BackendError naming what is wrong."""
    checked = _check_array("vectors", vectors, np.float32, (num_rows, info.embedding_size))
    _check_finite("vectors", np.abs(checked).max(axis=1))
    return checked


def _check_array(name: str, array: object, dtype: type, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if type(array) is not np.ndarray:  # a matrix or a masked array calculates otherwise
        raise BackendError(f"{name} are a {type(array).__name__}; they must be a numpy.ndarray itself")
    if array.dtype != dtype or array.shape != shape:
        raise BackendError(f"{name} are {array.dtype} {array.shape}; asked for were {np.dtype(dtype)} {shape}")
    return array


def _check_range(name: str, token_ids: NDArray[Any] | None, vocab_size: int) -> None:
    if token_ids is not None and token_ids.size and not 0 <= token_ids.min() <= token_ids.max() < vocab_size:
        wrong = token_ids.min() if token_ids.min() < 0 else token_ids.max()
        raise BackendError(f"{name} have {wrong}, which is outside the vocabulary, 0..{vocab_size - 1}")


def _check_finite(name: str, largest: NDArray[np.float32]) -> None:
    finite = np.isfinite(largest)
    if not finite.all():
        row = int(np.argmin(finite))
        raise BackendError(f"{name} are not finite: the largest of row {row} is {largest[row]}; the model's run failed")
