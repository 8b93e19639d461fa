"""A backend that predicts that each token is followed by its successor."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jan_ort_backends as api
import numpy as np
from jan_ort_backends.checks import check_batch, check_options, check_prefix, check_slot

VOCAB_SIZE, CONTEXT_LENGTH = 512, 512


class CountingSession(api.Session):
    """An open model: here its KV cache is the number of tokens in each slot."""

    def __init__(self, options: api.OpenOptions) -> None:
        device = api.DeviceReport(requested="cpu", used="cpu")
        length = options.context_length or CONTEXT_LENGTH
        self.info = api.SessionInfo(VOCAB_SIZE, length, options.num_slots, 0, device, weights_hash="0" * 64)
        self._lengths = [0] * options.num_slots

    def step(self, batch: Sequence[api.SlotTokens]) -> api.StepOutput:
        """Run the model once and return the logits that were asked for."""
        check_batch(batch, self._lengths, self.info)
        wanted = np.concatenate([row.token_ids[len(row.token_ids) - row.num_logits :] for row in batch])
        logits = np.zeros((len(wanted), VOCAB_SIZE), np.float32)
        logits[np.arange(len(wanted)), (wanted + 1) % VOCAB_SIZE] = 9.0
        for row in batch:  # last, so that a step that fails leaves every length as it was
            self._lengths[row.slot] += len(row.token_ids)
        return api.StepOutput(logits)

    def length(self, slot: int) -> int:
        """Return the number of tokens in ``slot``."""
        check_slot("slot", slot, self.info.num_slots)
        return self._lengths[slot]

    def truncate(self, slot: int, length: int) -> None:
        """Forget all but the first ``length`` tokens of ``slot``."""
        check_prefix(slot, length, self.length(slot))
        self._lengths[slot] = length


class CountingBackend:
    """What the entry point loads. Import a runtime in ``open`` only, so that listing the backends stays quick."""

    name = "counting"
    abi = api.ABI
    capabilities = frozenset({api.Capability.GENERATE, api.Capability.MIXED_BATCH})
    builtin_models: Mapping[str, Path] = {}

    def probe(self) -> api.Available | api.Missing:
        """Say whether this machine has what the backend needs."""
        return api.Available()

    def accepts(self, model_dir: Path) -> api.Accepts | api.Declines:
        """Say whether the folder holds one of our models."""
        found = (model_dir / "counting.json").exists()
        return api.Accepts() if found else api.Declines(f"{model_dir} has no counting.json")

    def open(self, model_dir: Path, options: api.OpenOptions) -> api.Session:
        """Load the model."""
        if isinstance(answer := self.accepts(model_dir), api.Declines):
            raise api.ModelError(answer.reason)
        check_options(options, known=(), max_context_length=CONTEXT_LENGTH)
        return CountingSession(options)


backend = CountingBackend()
