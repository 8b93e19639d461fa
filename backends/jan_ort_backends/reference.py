"""The reference backend: the readable definition of the contract, with every capability and no files to load."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends.answers import Accepts, Available, Declines, Missing
from jan_ort_backends.checks import check_options, check_slot, check_token_ids
from jan_ort_backends.counted_session import CountedSession
from jan_ort_backends.errors import ContextOverflow, Interrupted, ModelError
from jan_ort_backends.image_checks import check_pixels
from jan_ort_backends.images import EMBEDDED, Detail, Embedded, ImageInput
from jan_ort_backends.interface import (
    ABI,
    NUM_TOP_LOGITS,
    Capability,
    DeviceReport,
    OpenOptions,
    SessionInfo,
    SlotTokens,
    StepOutput,
)
from jan_ort_backends.reference_tokenizer import FOLDER, IMAGE_TOKEN_ID, IMAGES_FOLDER, RERANKER_FOLDER
from jan_ort_backends.reference_transformer import (
    CONTEXT_LENGTH,
    HIDDEN_SIZE,
    SEED,
    VOCAB_SIZE,
    Float,
    KVCache,
    forward,
    head,
    reference_weights,
)
from jan_ort_backends.reference_vision import embedded_image
from jan_ort_backends.states import State, pack_state, unpack_state

logger = logging.getLogger(__name__)


class ReferenceSession(CountedSession):
    """Slots of a KV cache over the reference model."""

    def __init__(self, num_slots: int, context_length: int) -> None:
        self._weights = reference_weights()
        self._caches = [KVCache.empty(context_length) for _ in range(num_slots)]
        self._interrupted = threading.Event()
        super().__init__(
            SessionInfo(
                vocab_size=VOCAB_SIZE,
                context_length=context_length,
                num_slots=num_slots,
                embedding_size=HIDDEN_SIZE,
                device=DeviceReport(requested="cpu", used="cpu"),
                weights_hash=hashlib.sha256(f"reference/{SEED}".encode()).hexdigest(),
                state_key=f"reference/{SEED}/numpy {np.__version__}/{platform.machine()}",
            )
        )

    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run every token of every row; what was appended before an error is overwritten later."""
        self._interrupted.clear()  # an interrupt that came while no step ran is forgotten
        hidden = [state for row in batch for state in self._run_row(row)]
        logits = np.empty((len(hidden), VOCAB_SIZE), np.float32)
        for index, state in enumerate(hidden):
            logits[index] = head(self._weights, state)
        top_token_ids = np.argsort(-logits, axis=1, kind="stable")[:, :NUM_TOP_LOGITS]  # stable: ties by token id
        return StepOutput(logits, np.take_along_axis(logits, top_token_ids, axis=1), top_token_ids)

    def _run_row(self, row: SlotTokens) -> list[Float]:
        """Return the hidden states of the row's last ``num_logits`` positions. Raises: Interrupted."""
        past, states = self.lengths[row.slot], []
        vectors = (vector for run in row.embedded for vector in run.vectors.astype(np.float64))
        for offset, token_id in enumerate(row.token_ids.tolist()):
            if self._interrupted.is_set():
                raise Interrupted("the step was interrupted")
            token = next(vectors) if token_id == EMBEDDED else token_id
            states.append(forward(self._weights, self._caches[row.slot], past + offset, token))
        return states[len(states) - row.num_logits :]

    def fork(self, source: int, target: int, length: int) -> None:
        """Copy the keys and values of the first ``length`` positions; ``target`` forgets what it held."""
        check_slot("target", target, self.info.num_slots)
        self.check_cut(source, length)
        origin, copy = self._caches[source], self._caches[target]
        copy.keys[:, :length] = origin.keys[:, :length]
        copy.values[:, :length] = origin.values[:, :length]
        self.note_fork(source, target, length)

    def save(self, slot: int) -> State:
        """Return the keys and values of a slot's positions."""
        length, cache = self.length(slot), self._caches[slot]
        return pack_state(self.info.state_key, length, [cache.keys[:, :length], cache.values[:, :length]])

    def load(self, slot: int, state: State) -> None:
        """Write the keys and values of a state over those of the slot."""
        length, cache = self.check_state(slot, state), self._caches[slot]
        spec = (cache.keys.dtype, cache.keys[:, :length].shape)
        cache.keys[:, :length], cache.values[:, :length] = unpack_state(state, [spec, spec])
        self.note_load(slot, length)

    def interrupt(self) -> None:
        """End the running step before its next position; between steps, have no effect."""
        self._interrupted.set()

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the L2-normalised mean of each row's last hidden states; the slots play no part."""
        for index, token_ids in enumerate(batch):
            check_token_ids(token_ids, VOCAB_SIZE)
            if len(token_ids) > self.info.context_length:
                raise ContextOverflow(
                    slot=index, length=0, num_tokens=len(token_ids), context_length=self.info.context_length
                )
        vectors = np.empty((len(batch), HIDDEN_SIZE), np.float32)
        for index, token_ids in enumerate(batch):
            kv_cache = KVCache.empty(len(token_ids))
            states = [forward(self._weights, kv_cache, at, int(token)) for at, token in enumerate(token_ids)]
            mean = np.mean(states, axis=0)
            vectors[index] = mean / np.linalg.norm(mean)
        return vectors

    def close(self) -> None:
        """Free the KV cache."""
        self._caches.clear()


class ReferenceReranker(ReferenceSession):
    """The same model, of which a pair of texts has one number: how far its vector points in a fixed direction."""

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.info = replace(self.info, embedding_size=1)
        self._direction = np.cos(np.arange(HIDDEN_SIZE, dtype=np.float32))[:, np.newaxis]

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return one number a row."""
        scores: NDArray[np.float32] = super().embed(batch) @ self._direction
        return scores


class ReferenceImages(ReferenceSession):
    """The same model, which reads images: each as the mean colours of its parts."""

    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.info = replace(self.info, images=ImageInput(IMAGE_TOKEN_ID, HIDDEN_SIZE, has_detail=True))

    def encode_image(self, pixels: NDArray[np.uint8], detail: Detail = "auto") -> Embedded:
        """Return the image's vectors: 16 in two runs, or with "low" 4 in one, and a token before and after them."""
        check_pixels(pixels, detail)
        return embedded_image(pixels, 2 if detail == "low" else 4)


class ReferenceBackend:
    """The descriptor of the reference backend."""

    name = "reference"
    abi = ABI
    capabilities = frozenset(Capability)
    builtin_models: Mapping[str, Path] = {
        "reference": FOLDER,
        "reference-images": IMAGES_FOLDER,
        "reference-reranker": RERANKER_FOLDER,
    }

    def probe(self) -> Available | Missing:
        """Say that it runs everywhere."""
        return Available("numpy, fixed weights; for tests, not for answers")

    def accepts(self, model_dir: Path) -> Accepts | Declines:
        """Accept folders whose config.json has the reference's own ``model_type``."""
        path = model_dir / "config.json"
        try:
            config = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            return Declines(f"{path} is not readable as JSON: {error}")
        model_type = config.get("model_type") if isinstance(config, dict) else None
        if model_type != "jan_ort_reference":
            return Declines(f"{path} has model_type {model_type!r}, not 'jan_ort_reference'")
        return Accepts()

    def check_options(self, extra: Mapping[str, str]) -> None:
        """Refuse every option: there is none. Raises: ModelError."""
        check_options(OpenOptions(extra=extra), known=(), max_context_length=CONTEXT_LENGTH)

    def open(self, model_dir: Path, options: OpenOptions) -> ReferenceSession:
        """Open the model. Raises: ModelError for another model's folder, or options outside the model's limits."""
        answer = self.accepts(model_dir)
        if isinstance(answer, Declines):
            raise ModelError(f"{answer.reason}; the folder of the reference model is {FOLDER}")
        check_options(options, known=(), max_context_length=CONTEXT_LENGTH)
        logger.debug("opening the reference model with %d slots", options.num_slots)
        config = json.loads((model_dir / "config.json").read_bytes())
        kinds = {"scores_pairs": ReferenceReranker, "reads_images": ReferenceImages}
        kind = next((kind for key, kind in kinds.items() if config.get(key) is True), ReferenceSession)
        return kind(options.num_slots, options.context_length or CONTEXT_LENGTH)


backend = ReferenceBackend()
