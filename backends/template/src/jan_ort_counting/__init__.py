"""A backend that predicts that each token is followed by its successor."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jan_ort_backends as api
import numpy as np
from jan_ort_backends.checks import check_options

VOCAB_SIZE, CONTEXT_LENGTH = 512, 512


class CountingSession(api.CountedSession):
    """An open model. It has no KV cache: what follows a token depends on that token alone."""

    def run(self, batch: Sequence[api.SlotTokens]) -> api.StepOutput:
        """Run the model once and return the logits that were asked for."""
        wanted = np.concatenate([row.token_ids[len(row.token_ids) - row.num_logits :] for row in batch])
        logits = np.zeros((len(wanted), VOCAB_SIZE), np.float32)
        logits[np.arange(len(wanted)), (wanted + 1) % VOCAB_SIZE] = 9.0
        return api.StepOutput(logits)


class CountingBackend(api.Backend):
    """What the entry point loads. Import a runtime in ``open`` only, so that listing the backends stays quick."""

    name = "counting"
    abi = "1.0"
    capabilities = frozenset({api.Capability.GENERATE, api.Capability.MIXED_BATCH})

    def accepts(self, model_dir: Path) -> api.Accepts | api.Declines:
        """Say whether the folder holds one of our models."""
        found = (model_dir / "counting.json").exists()
        return api.Accepts() if found else api.Declines(f"{model_dir} has no counting.json")

    def check_options(self, extra: Mapping[str, str]) -> None:
        """Refuse every option: there is none. The server asks this before it fetches a model."""
        check_options(api.OpenOptions(extra=extra), known=(), max_context_length=None)

    def open(self, model_dir: Path, options: api.OpenOptions) -> api.Session:
        """Load the model."""
        if isinstance(answer := self.accepts(model_dir), api.Declines):
            raise api.ModelError(answer.reason)
        check_options(options, known=(), max_context_length=CONTEXT_LENGTH)
        device, length = api.DeviceReport(requested="cpu", used="cpu"), options.context_length or CONTEXT_LENGTH
        return CountingSession(api.SessionInfo(VOCAB_SIZE, length, options.num_slots, 0, device, weights_hash="0" * 64))


backend = CountingBackend()
