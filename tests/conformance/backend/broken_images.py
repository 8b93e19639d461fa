"""Faults of sessions that read images; a sound one is the reference's."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from jan_ort_backends import EMBEDDED, BadInput, Embedded, SlotTokens, StepOutput
from jan_ort_backends.reference import ReferenceImages
from tests.conformance.backend.broken import fault


def with_keys(image: Embedded, *keys: str) -> Embedded:
    runs = tuple(replace(run, key=key) for run, key in zip(image.runs, keys, strict=False))
    return replace(image, runs=runs)


@fault("images.encode_alike")
class KeysAreOfTheShape(ReferenceImages):
    def encode_image(self, pixels: Any, detail: Any = "auto") -> Embedded:
        return with_keys(super().encode_image(pixels, detail), f"{pixels.shape}/0", f"{pixels.shape}/1")


@fault("images.encode_alike")
class KeysAreCounted(ReferenceImages):
    keys = count()

    def encode_image(self, pixels: Any, detail: Any = "auto") -> Embedded:
        return with_keys(super().encode_image(pixels, detail), f"{next(self.keys)}/0", f"{next(self.keys)}/1")


@fault("images.encode_alike")
class KeysAreOfTheTop(ReferenceImages):
    def encode_image(self, pixels: Any, detail: Any = "auto") -> Embedded:
        top = super().encode_image(pixels[: len(pixels) // 2], detail)
        return with_keys(super().encode_image(pixels, detail), *(run.key for run in top.runs))


@fault("images.of_any_shape")
class NeedsSixteenPixels(ReferenceImages):
    def encode_image(self, pixels: Any, detail: Any = "auto") -> Embedded:
        return super().encode_image(pixels.reshape(4, -1, 3) if pixels.size < 48 else pixels, detail)


@fault("images.detail_is_followed")
class LooksInOneWay(ReferenceImages):
    def encode_image(self, pixels: Any, detail: Any = "auto") -> Embedded:
        return super().encode_image(pixels)


@fault("images.are_read")
class SeesNoColours(ReferenceImages):
    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        blind = [replace(run, vectors=run.vectors * 0) for row in batch for run in row.embedded]
        runs = iter(blind)
        return super().step([replace(row, embedded=tuple(next(runs) for _ in row.embedded)) for row in batch])


@fault("images.anywhere")
class ForgetsAnImageThatBeginsARow(ReferenceImages):
    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        begins = [row.embedded and self.lengths[row.slot] > 0 and row.token_ids[1] == EMBEDDED for row in batch]
        return super().run(
            [
                replace(row, embedded=tuple(replace(run, vectors=run.vectors * 0) for run in row.embedded))
                if b
                else row
                for row, b in zip(batch, begins, strict=True)
            ]
        )


@fault("images.are_cached")
class MovesWhatCameBeforeAnImage(ReferenceImages):
    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        for row in batch:
            if row.embedded and self.lengths[row.slot]:
                shift = np.roll(self._caches[row.slot].values[:, : self.lengths[row.slot]], 1, axis=1)
                self._caches[row.slot].values[:, : self.lengths[row.slot]] = shift
        return super().run(batch)


@fault("images.equal_alone")
class GivesEachRowTheFirstOnesImage(ReferenceImages):
    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        first = next((row.embedded for row in batch if row.embedded), ())
        return super().run([replace(row, embedded=first) if len(row.embedded) == 1 else row for row in batch])


@fault("images.beside_steps")
class RefusesToEncodeBesideSteps(ReferenceImages):
    def __init__(self, num_slots: int, context_length: int) -> None:
        super().__init__(num_slots, context_length)
        self.thread = threading.get_ident()

    def encode_image(self, pixels: Any, detail: Any = "auto") -> Embedded:
        if threading.get_ident() != self.thread:
            raise RuntimeError("another thread")
        return super().encode_image(pixels, detail)


@fault("images.refuse_wrong_sizes")
class TakesVectorsOfAnySize(ReferenceImages):
    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        size = self._weights.tokens.shape[1]
        fitted = [
            replace(row, embedded=tuple(replace(run, vectors=run.vectors[:, :size]) for run in row.embedded))
            for row in batch
        ]
        return super().step(fitted)


@fault("images.refuse_other_pixels")
class ReadsGreyPixels(ReferenceImages):
    def encode_image(self, pixels: Any, detail: Any = "auto") -> Embedded:
        if not pixels.size:
            raise BadInput("pixels", "are none")
        return super().encode_image(np.resize(pixels, (*pixels.shape[:2], 3)).astype(np.uint8), detail)
