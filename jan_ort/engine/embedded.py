"""Prompts with images: each vector has a stand-in among the token ids, so that prompts compare as arrays (hops 3 to 6).

A stand-in is a negative number made of its run's key, so equal images are equal numbers, and others are not. It is
even, and odd where a run begins: so the numbers alone say where a prompt must not be cut.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import EMBEDDED, Embedded, EmbeddedRun

Tokens = NDArray[np.int64]

_SALT = secrets.token_bytes(16)
"""So that nobody can look for two images with one number."""


def with_images(token_ids: Tokens, images: Sequence[Embedded], token_id: int) -> tuple[Tokens, dict[int, EmbeddedRun]]:
    """Return a prompt with each ``token_id`` replaced by the next image, and where each image's runs begin.

    Raises: ValueError, with both numbers, unless there are as many images as places for one.
    """
    places = np.flatnonzero(token_ids == token_id)
    if len(places) != len(images):
        raise ValueError(f"{len(places)} places for {len(images)} images")
    pieces: list[Tokens] = []
    runs: dict[int, EmbeddedRun] = {}
    begin = length = 0
    for place, image in zip(places.tolist(), images, strict=True):
        told, starts = _stand_ins(image)
        pieces += [token_ids[begin:place], told]
        length += place - begin
        runs |= {length + start: run for start, run in starts.items()}
        begin, length = place + 1, length + len(told)
    return np.concatenate([*pieces, token_ids[begin:]]), runs


def _stand_ins(image: Embedded) -> tuple[Tokens, dict[int, EmbeddedRun]]:
    """Return an image's tokens with a stand-in for each vector, and where its runs begin."""
    told = image.token_ids.copy()
    places = np.flatnonzero(told == EMBEDDED)
    starts: dict[int, EmbeddedRun] = {}
    begin = 0
    for run in image.runs:
        own = places[begin : begin + len(run.vectors)]
        number = _number(run.key)
        told[own] = number
        told[own[0]] = number + 1
        starts[int(own[0])] = run
        begin += len(own)
    return told, starts


def _number(key: str) -> int:
    """Return an even number below -1 for a key; the same one for the same key, while this process lives."""
    digest = hashlib.blake2b(key.encode(), key=_SALT, digest_size=8).digest()
    return -2 * (int.from_bytes(digest) >> 2) - 4


def uncut(prompt: Tokens, length: int) -> int:
    """Return the longest of up to ``length`` leading tokens of a prompt that does not end inside of a run."""
    while 0 < length < len(prompt) and prompt[length] < 0 and not prompt[length] % 2:
        length -= 1
    return length


def uncut_from(prompt: Tokens, length: int) -> int:
    """Return the fewest leading tokens of a prompt, ``length`` or more, that do not end inside of a run."""
    while length < len(prompt) and prompt[length] < 0 and not prompt[length] % 2:
        length += 1
    return length


def texts_only(prompt: Tokens) -> Tokens:
    """Return a prompt's tokens without its images'."""
    return prompt[prompt >= 0]


def row_of(
    prompt: Tokens, runs: Mapping[int, EmbeddedRun], begin: int, end: int
) -> tuple[Tokens, tuple[EmbeddedRun, ...]]:
    """Return a part of a prompt as a backend takes it: token ids with ``EMBEDDED``, and the runs in it."""
    if not runs:
        return prompt[begin:end], ()
    return np.maximum(prompt[begin:end], EMBEDDED), tuple(run for at, run in runs.items() if begin <= at < end)
