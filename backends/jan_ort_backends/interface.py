"""Tokens in, logits out: the two levels of the contract between the server and a backend.

A *descriptor* (:class:`Backend`) is what the entry point in the group ``jan_ort.backends`` loads; importing it takes
milliseconds and imports no runtime. A *session* (:class:`Session`) owns weights, KV cache and device. Sampling,
grammar, stop strings, logprobs, tools and streaming stay in the server, so a backend gets them all for free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends.answers import Accepts, Available, Declines, Missing
from jan_ort_backends.errors import Unsupported
from jan_ort_backends.images import Detail, Embedded, EmbeddedRun, ImageInput
from jan_ort_backends.states import State

ABI = "1.1"
"""Version of this contract. A plugin states the one it was written for; another major number is not loaded."""

NUM_TOP_LOGITS = 64
"""How many of a row's largest logits the server samples from: what ``TOP_LOGITS`` is to find, if the row has as many.

With more, the first 64 are looked at; with fewer, every row is sampled from its whole vocabulary, at the cost of
finding them there. The tokens are the same.
"""


class Capability(StrEnum):
    """What a backend can do. Declared by the descriptor, and checked against the session when it is opened."""

    GENERATE = "generate"
    """``step`` and ``truncate`` work: the model has a language-modelling head and a KV cache."""
    FORK = "fork"
    """``fork`` copies the beginning of one slot's KV cache into another slot."""
    INTERRUPT = "interrupt"
    """``interrupt`` ends a running ``step`` early, from another thread."""
    MIXED_BATCH = "mixed_batch"
    """One step may mix rows with any number of tokens and any past; without it, see :meth:`Session.step`."""
    TOP_LOGITS = "top_logits"
    """``step`` also returns each row's largest logits, sorted, cheaper than the server could find them."""
    EMBED = "embed"
    """``embed`` works: the model turns a text into one vector, or a pair of texts into one number, if it ranks."""
    CHECKPOINTS = "checkpoints"
    """Some models have a state that is cut at checkpoints only: ``SessionInfo.num_checkpoints`` says so. Since 1.1."""
    IMAGES = "images"
    """Some models read images: ``SessionInfo.images`` says so, and ``encode_image`` works for these. Since 1.1."""
    STATE = "state"
    """Of some models a slot can be saved: ``SessionInfo.state_key`` says so; ``save`` and ``load`` work. Since 1.1."""


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """What the server asks of a session.

    ``num_slots`` is the number of sequences that the KV cache holds at once; ``context_length`` the number of tokens
    of each slot, None for the model's own; ``extra`` the backend's own options, by name.
    """

    num_slots: int = 8
    context_length: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """Where the model really runs: provider asked for, provider in use, and nodes per provider where it is known.

    ``registered`` are all providers that the runtime knows, usable or not; ``declined`` says of each that was passed
    over why it was.
    """

    requested: str
    used: str
    nodes: Mapping[str, int] = field(default_factory=dict)
    registered: tuple[str, ...] = ()
    declined: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What an open session is.

    ``vocab_size`` is the width of a logits row (it may exceed the tokenizer's); ``context_length`` and ``num_slots``
    are what was granted; ``embedding_size`` is the length of a vector of ``embed``; a field that does not apply is 0.
    ``weights_hash`` identifies the weights (a hex digest), so that two replicas can be compared.

    ``num_checkpoints`` None: ``truncate`` and ``fork`` take any length that a slot has had. A number: the model has a
    state that forgets what made it (a convolution's, a recurrence's), so they take 0, the slot's length, and the
    lengths of its checkpoints: the last ``num_checkpoints`` at which a row with ``keep`` ended. A cut forgets the
    checkpoints beyond it, and a fork copies those up to its length; any other length is refused with BadInput.

    ``images`` None: the model reads text only. Since 1.1.

    ``state_key`` None: no slot can be saved. A text: all that a saved slot depends on (weights, graph, the cache's
    type, what computes it and its version), so that a session with the same one may load it, also another day. Since
    1.1.
    """

    vocab_size: int
    context_length: int
    num_slots: int
    embedding_size: int
    device: DeviceReport
    weights_hash: str
    num_checkpoints: int | None = None
    images: ImageInput | None = None
    state_key: str | None = None


@dataclass(frozen=True, slots=True)
class SlotTokens:
    """One row of a step: append ``token_ids`` (int64, ``(n,)``, n >= 1) to ``slot``.

    ``num_logits`` is the number of trailing positions whose logits are wanted: 0 for a prompt's inner chunk,
    1 to sample, n for the logprobs of the prompt. ``keep``: where the row ends is to be a checkpoint of the slot; a
    session that is cut anywhere does not look at it.

    ``embedded``: where ``token_ids`` is ``EMBEDDED``, vectors stand in place of tokens, those of these runs in this
    order; each whole, for neither a row's end nor a cut is ever inside of one. Empty for any row of text. Since 1.1.
    """

    slot: int
    token_ids: NDArray[np.int64]
    num_logits: int = 1
    keep: bool = False
    embedded: tuple[EmbeddedRun, ...] = ()


@dataclass(frozen=True, slots=True)
class StepOutput:
    """The logits of a step.

    ``logits``: float32 ``(sum of num_logits, vocab_size)``, rows in the order of the batch; valid until the next step.
    ``top_logits`` float32 and ``top_token_ids`` int64, both ``(rows, k)``: each row's k largest logits in descending
    order, ties by ascending token id. Present if and only if ``TOP_LOGITS`` is declared; k is ``NUM_TOP_LOGITS``, or
    the vocabulary's size if that is smaller.
    """

    logits: NDArray[np.float32]
    top_logits: NDArray[np.float32] | None = None
    top_token_ids: NDArray[np.int64] | None = None


class Session:
    """An open model. Not thread-safe, except ``interrupt`` and ``encode_image``: the server calls it from one thread.

    A backend subclasses this and overrides what it declares. Slots are numbered from 0 and start empty.
    """

    info: SessionInfo

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Append each row's tokens to its slot, run the model once, and return the logits that were asked for.

        The batch is never empty and names a slot at most once. Without ``MIXED_BATCH`` it is one of three kinds:
        one row of any length; several rows of one token; several rows of any length whose slots are all empty.

        Raises: ContextOverflow, OutOfMemory, DeviceLost; Interrupted when ``interrupt`` was called. After any error
        every slot has the length it had before the step.
        """
        raise Unsupported(Capability.GENERATE)

    def length(self, slot: int) -> int:
        """Return the number of tokens in ``slot``."""
        raise Unsupported(Capability.GENERATE)

    def truncate(self, slot: int, length: int) -> None:
        """Forget all but the first ``length`` tokens of ``slot``; 0 empties it.

        Raises: BadInput if it holds fewer, or cannot be cut there (``SessionInfo.num_checkpoints``).
        """
        raise Unsupported(Capability.GENERATE)

    def fork(self, source: int, target: int, length: int) -> None:
        """Make ``target`` a copy of the first ``length`` tokens of ``source``.

        Raises: BadInput if it holds fewer, or cannot be cut there (``SessionInfo.num_checkpoints``).
        """
        raise Unsupported(Capability.FORK)

    def save(self, slot: int) -> State:
        """Return what ``slot`` holds as bytes, uint8 ``(n,)``, which are the caller's own; the slot goes on as it was.

        Raises: OutOfMemory.
        """
        raise Unsupported(Capability.STATE)

    def load(self, slot: int, state: State) -> None:
        """Make ``slot`` hold what another one, or itself, held when ``state`` was saved, whatever it holds now.

        It goes on to the bit as that slot would have, and can be cut like it, but for checkpoints: it has none.
        ``state`` may come from a file, and from another session whose ``SessionInfo.state_key`` is the same.
        Raises: BadInput for bytes that are damaged, another session's or longer than a slot; nothing has changed then.
        """
        raise Unsupported(Capability.STATE)

    def interrupt(self) -> None:
        """End the ``step`` that is running in another thread, if any; it raises Interrupted. Thread-safe."""
        raise Unsupported(Capability.INTERRUPT)

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return one vector per row of token ids: float32 ``(len(batch), embedding_size)``.

        Rows may differ in length. Pooled and normalised as the model's own configuration says. Of a model that ranks, a
        row is a pair of texts in the tokenizer's own template, and its vector what the head says, not activated.
        Raises: ContextOverflow if a row is longer than the context length.
        """
        raise Unsupported(Capability.EMBED)

    def encode_image(self, pixels: NDArray[np.uint8], detail: Detail = "auto") -> Embedded:
        """Return what stands in a prompt for an image: uint8 ``(height, width, 3)``, red, green, blue, as it came.

        To resize, cut and normalise it as the model's own configuration says is part of this. Called from another
        thread than ``step``, also while that runs, for one image at a time. The slots play no part.
        Raises: BadInput for pixels of another form, and for an image whose shape the model cannot read.
        """
        raise Unsupported(Capability.IMAGES)

    def close(self) -> None:
        """Free everything. May be called twice; no other method is called afterwards."""


@runtime_checkable
class Backend(Protocol):
    """The descriptor that an entry point in the group ``jan_ort.backends`` loads: a module, a class or an object.

    ``abi`` is the version of this contract that it was written for, as a literal. ``builtin_models`` maps the names
    of models that the plugin itself brings to their folders (tokenizer and configuration; the weights may be in code).
    A class that subclasses this has no built-in model and is available everywhere, unless it says otherwise.
    What it may have besides are protocols of their own: :class:`ChecksOptions` and ``DiagnosesProviders``.
    """

    name: str
    abi: str
    capabilities: frozenset[Capability]
    builtin_models: Mapping[str, Path] = MappingProxyType({})

    def probe(self) -> Available | Missing:
        """Say whether the backend can run on this machine. Raises nothing."""
        return Available()

    def accepts(self, model_dir: Path) -> Accepts | Declines:
        """Say whether ``model_dir`` is a folder this backend can open, from its files' names and small configs.

        The server also asks for a single GGUF file, before it converts it: a backend that accepts it gets a folder
        with that file later, and one that raises is taken to decline.
        """
        ...

    def open(self, model_dir: Path, options: OpenOptions) -> Session:
        """Load the model. Raises: ModelError, OutOfMemory, DeviceLost."""
        ...


@runtime_checkable
class ChecksOptions(Protocol):
    """A :class:`Backend` that can say what is wrong with its own options before a model is fetched for it.

    Without it the options are checked by ``open`` alone.
    """

    def check_options(self, extra: Mapping[str, str]) -> None:
        """Check ``OpenOptions.extra`` as far as that needs no model. Raises: ModelError naming the option."""
        ...
