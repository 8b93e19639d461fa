"""An open model: slots are llama.cpp's sequences, each with a KV cache of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import (
    BackendError,
    CountedSession,
    Interrupted,
    OutOfMemory,
    SessionInfo,
    SlotTokens,
    StepOutput,
)
from jan_ort_backends.checks import check_slot
from jan_ort_llama_cpp.library import complaints
from jan_ort_llama_cpp.token_batch import TokenBatch

MAX_BATCH_TOKENS = 2048
"""Tokens that one call of llama_decode takes; a longer step is several calls."""

_MIN_INTERRUPTED = 16
"""Tokens from which a step asks whether it is interrupted: that takes the interpreter's lock at every node."""

_TO_THE_END = -1
_NO_CELLS, _ABORTED, _NO_MEMORY = 1, 2, -2  # what llama_decode returns


class LlamaCppSession(CountedSession):
    """Owns ``model`` and ``context``, handles of llama.cpp's."""

    def __init__(self, library: Any, model: Any, context: Any, info: SessionInfo) -> None:
        super().__init__(info)
        self._library = library
        self._model = model
        self._context = context
        self._memory = library.llama_get_memory(context)
        self._is_interrupted = False
        self._asks = library.ggml_abort_callback(lambda _: self._is_interrupted)
        self._asks_never = library.ggml_abort_callback(0)

    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Append the tokens in as few calls as llama.cpp allows; after an error nothing of them is kept."""
        self._is_interrupted = False  # an interrupt that came while no step ran is forgotten
        return self.compute(batch)

    def compute(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Append the tokens, or take all of them back."""
        tokens = TokenBatch(self._library, batch, self.lengths)
        asks = self._asks if len(tokens) >= _MIN_INTERRUPTED else self._asks_never
        self._library.llama_set_abort_callback(self._context, asks, None)
        try:
            return StepOutput(self._logits(tokens))
        except BaseException:
            for row in batch:
                self.take_back(row.slot)
            raise

    def _logits(self, tokens: TokenBatch) -> NDArray[np.float32]:
        """Return the logits, ``(tokens.num_logits(), vocab_size)``."""
        logits = np.empty((tokens.num_logits(), self.info.vocab_size), np.float32)
        filled = 0
        for begin in range(0, len(tokens), MAX_BATCH_TOKENS):
            end = min(begin + MAX_BATCH_TOKENS, len(tokens))
            self._decode(tokens.part(begin, end))
            if wanted := tokens.num_logits(begin, end):
                computed = self._library.llama_get_logits(self._context)
                shape = (wanted, self.info.vocab_size)
                logits[filled : filled + wanted] = np.ctypeslib.as_array(computed, shape)
                filled += wanted
        return logits

    def _decode(self, llama_batch: Any) -> None:
        complaints()
        status = self._library.llama_decode(self._context, llama_batch)
        if status == 0:
            return
        if status == _ABORTED:
            raise Interrupted("the step was interrupted")
        if status in (_NO_CELLS, _NO_MEMORY):
            raise OutOfMemory(f"llama.cpp has no memory for {llama_batch.n_tokens} tokens; {complaints()}")
        raise BackendError(f"llama_decode failed with {status}: {complaints() or 'llama.cpp gives no reason'}")

    def take_back(self, slot: int) -> None:
        """Forget what a failed step appended to ``slot``."""
        self.cut(slot, self.lengths[slot])

    def cut(self, slot: int, length: int) -> None:
        """Free the cells from ``length`` on."""
        if not self._library.llama_memory_seq_rm(self._memory, slot, length, _TO_THE_END):
            raise BackendError(f"llama.cpp cannot cut slot {slot} to {length} tokens")

    def fork(self, source: int, target: int, length: int) -> None:
        """Copy the source's whole cache, as llama.cpp copies no part of one to another, and cut it to ``length``."""
        check_slot("target", target, self.info.num_slots)
        self.check_cut(source, length)
        if source == target:
            return self.truncate(source, length)
        self.cut(target, 0)
        self._library.llama_memory_seq_cp(self._memory, source, target, _TO_THE_END, _TO_THE_END)
        self.cut_copy(source, target, length)
        return self.note_fork(source, target, length)

    def cut_copy(self, source: int, target: int, length: int) -> None:
        """Cut ``target``, which has become a copy of the whole of ``source``."""
        self.cut(target, length)

    def interrupt(self) -> None:
        """End the running step before its next node, if it is a long one; between steps, have no effect."""
        self._is_interrupted = True

    def close(self) -> None:
        """Free the KV cache and the model."""
        if self._context is not None:
            self._library.llama_free(self._context)
            self._library.llama_model_free(self._model)
            self._context = self._model = None
