"""Sequences with images run together where the decoder allows it, and answer as each alone and as one after another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort_backends import EMBEDDED, OpenOptions, Session, SlotTokens
from jan_ort_onnxruntime import backend, opening
from jan_ort_onnxruntime.rewriting.graph_parts import NotExact
from jan_ort_onnxruntime.sessions.generation_session import GenerationSession
from tests.backends.onnxruntime.test_image_models import FIXTURES, picture

SHARED = ("idefics3", "llava", "llava_onevision")
TEXT = np.arange(3, 40)


def opened(folder: Path, num_slots: int = 3) -> Session:
    return backend.open(folder, OpenOptions(num_slots=num_slots))


def row(session: Session, slot: int, num_tokens: int, seed: int, *, ends: bool = False) -> SlotTokens:
    """Return a prompt of so many tokens with a picture at its beginning, or at its end."""
    encoded = session.encode_image(picture(seed))
    text = TEXT[: num_tokens - len(encoded.token_ids)]
    parts = [text, encoded.token_ids] if ends else [encoded.token_ids, text]
    return SlotTokens(slot, np.concatenate(parts), embedded=encoded.runs)


def answers(session: Session, prompts: list[SlotTokens], steps: int = 4) -> NDArray[np.float32]:
    """Return the logits of greedy answers, ``(prompts, 1 + steps, vocab_size)``."""
    every = [session.step(prompts).logits.copy()]
    for _ in range(steps):
        batch = [
            SlotTokens(each.slot, np.array([logits.argmax()])) for each, logits in zip(prompts, every[-1], strict=True)
        ]
        every.append(session.step(batch).logits.copy())
    for each in prompts:
        session.truncate(each.slot, 0)
    return np.stack(every, axis=1)


def one_after_another(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    def refuse(*_: object, **__: object) -> None:
        raise NotExact("this is a test")

    with monkeypatch.context() as patched:
        patched.setattr(opening, "share_cache", refuse)
        session = opened(folder)
    assert not isinstance(session, GenerationSession)
    return session


@pytest.mark.parametrize("name", SHARED)
def test_what_a_sequence_answers_does_not_depend_on_its_company(name: str) -> None:
    session = opened(FIXTURES / name)
    length = len(session.encode_image(picture(1)).token_ids) + 9
    prompts = [
        row(session, 0, length, 1),
        SlotTokens(1, TEXT[:length]),
        row(session, 2, length - 2, 3),
    ]

    together = answers(session, prompts)

    assert isinstance(session, GenerationSession)
    assert session.shares_runs
    for prompt, found in zip(prompts, together, strict=True):
        np.testing.assert_array_equal(answers(session, [prompt])[0], found)
    assert not np.array_equal(together[0], together[2])


@pytest.mark.parametrize("ends", [False, True], ids=["begins", "ends"])
@pytest.mark.parametrize("name", SHARED)
def test_a_shared_cache_changes_nothing(name: str, ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    session, plain = opened(FIXTURES / name), one_after_another(FIXTURES / name, monkeypatch)
    image = len(session.encode_image(picture(3)).token_ids)
    # A prompt of 33 tokens is run in two parts, which may cut an image.
    for length in (image + 1, max(image + 2, 33)):
        prompt = row(session, 0, length, 3, ends=ends)
        np.testing.assert_allclose(answers(session, [prompt]), answers(plain, [prompt]), atol=1e-4)


@pytest.mark.parametrize("name", SHARED)
def test_an_image_behind_others_sees_what_was_before(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [opened(FIXTURES / name), one_after_another(FIXTURES / name, monkeypatch)]
    found = []
    for session in both:
        session.step([row(session, 0, len(session.encode_image(picture(2)).token_ids) + 3, 2)])
        session.fork(0, 1, session.length(0))
        found.append(answers(session, [row(session, 1, len(session.encode_image(picture(1)).token_ids) + 2, 1)]))

    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "gemma3"])
def test_images_that_the_decoder_is_told_more_of_run_one_after_another(name: str) -> None:
    assert not isinstance(opened(FIXTURES / name), GenerationSession)


def test_an_embedded_place_has_its_own_vector_in_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(FIXTURES / "llava")
    first, second = row(session, 0, 40, 1), row(session, 1, 40, 2)
    assert (first.token_ids == EMBEDDED).sum() > 0

    together = answers(session, [first, second])
    swapped = answers(
        session,
        [
            SlotTokens(0, second.token_ids, embedded=second.embedded),
            SlotTokens(1, first.token_ids, embedded=first.embedded),
        ],
    )

    np.testing.assert_array_equal(together, swapped[::-1])
