"""Random trios answer as transformers does, token for token; what is missing of one is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort_backends import (
    EMBEDDED,
    Accepts,
    BadInput,
    OpenOptions,
    Session,
    SlotTokens,
)
from jan_ort_backends.checks import check_session
from jan_ort_backends.image_checks import check_image
from jan_ort_conformance.backend.judging.backend_run import run_backend
from jan_ort_conformance.backend.subject import Subject
from jan_ort_onnxruntime import backend

FIXTURES = Path(__file__).parents[2] / "fixtures" / "image_models"
SIZES = {1: (30, 40), 2: (64, 20), 3: (9, 9)}
IMAGES = {"one": (1,), "two": (2, 3), "turns": (1, 2), "small": (3,), "text": ()}
MODELS = ("idefics3", "llava", "llava_onevision", "qwen2_vl", "qwen2_5_vl", "gemma3")
GOLDEN: dict[str, Any] = {name: json.loads((FIXTURES / name / "golden.json").read_text()) for name in MODELS}


def picture(seed: int) -> NDArray[np.uint8]:
    """Return the image of ``scripts/record_image_models.py``."""
    height, width = SIZES[seed]
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return np.repeat(np.repeat(coarse, -(-height // 3), 0), -(-width // 4), 1)[:height, :width]


def opened(name: str) -> Session:
    return backend.open(FIXTURES / name, OpenOptions(num_slots=2))


def vector_id(name: str) -> int:
    """Return the token in whose place transformers has an image's vectors."""
    config = json.loads((FIXTURES / name / "config.json").read_text())
    return int(config.get("image_token_id", config.get("image_token_index")))


@pytest.mark.parametrize(("name", "conversation"), [(name, each) for name in MODELS for each in GOLDEN[name]])
def test_answers_are_those_of_transformers(name: str, conversation: str) -> None:
    golden = GOLDEN[name][conversation]
    session = opened(name)
    assert session.info.images is not None
    place = vector_id(name)
    detail = golden.get("detail", "auto")
    encoded = [session.encode_image(picture(seed), detail) for seed in IMAGES[conversation]]
    prompt = np.array(golden["prompt"])
    row = np.where(prompt == place, EMBEDDED, prompt)

    output = session.step([SlotTokens(0, row, embedded=tuple(run for each in encoded for run in each.runs))])
    first, token_ids = output.logits[-1].copy(), []
    for _ in golden["generated"]:
        token_ids.append(int(output.logits[-1].argmax()))
        output = session.step([SlotTokens(0, np.array(token_ids[-1:]))])

    assert token_ids == golden["generated"]
    np.testing.assert_allclose(first, golden["logits"], atol=1e-4)
    told = ",".join(map(str, row.tolist()))
    assert all(",".join(map(str, each.token_ids.tolist())) in told for each in encoded)


@pytest.mark.parametrize("name", MODELS)
def test_a_session_keeps_what_it_declares(name: str) -> None:
    session = opened(name)

    check_session(backend, session)
    assert session.info.images is not None
    for detail in ("auto", "low", "high") if session.info.images.has_detail else ("auto",):
        check_image(session.encode_image(picture(1), detail), session.info.images, session.info.vocab_size)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_it_conforms(name: str) -> None:
    subject = Subject(backend, FIXTURES / name, "onnxruntime")

    results = run_backend(subject, only=("images.*", "slots.*", "forks.*", "batches.*"), time_limit_s=None)

    assert {case.id: case.detail for case in results.cases if case.verdict.is_bad} == {}


def test_any_variant_of_each_part_is_taken(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "llava", tmp_path / "model"))
    for part, variant in (("vision_encoder", "_fp16"), ("embed_tokens", "_quantized"), ("decoder_model_merged", "_q4")):
        (folder / "onnx" / f"{part}.onnx").rename(folder / "onnx" / f"{part}{variant}.onnx")

    assert isinstance(backend.accepts(folder), Accepts)
    assert backend.open(folder, OpenOptions(num_slots=1)).info.images is not None


def test_an_image_that_scaling_would_make_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="too thin"):
        opened("llava").encode_image(np.zeros((1, 32_000, 3), np.uint8).repeat(1, 0)[:, :, :])


def test_without_the_end_of_a_row_an_image_is_seen_as_a_whole(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FIXTURES / "llava_onevision", tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    del config["image_newline"]
    (folder / "config.json").write_text(json.dumps(config))
    session = backend.open(folder, OpenOptions(num_slots=1))

    encoded = session.encode_image(picture(1))

    assert session.info.images is not None
    assert not session.info.images.has_detail
    assert len(encoded.token_ids) == 16


def test_a_square_that_would_be_huge_is_refused() -> None:
    with pytest.raises(BadInput, match="too long a side"):
        opened("llava_onevision").encode_image(np.zeros((1, 32_000, 3), np.uint8), "low")


def test_positions_that_images_have_moved_are_cut_forked_and_saved_with_them() -> None:
    session = backend.open(FIXTURES / "qwen2_vl", OpenOptions(num_slots=3))
    runs = [run for seed in (2, 1) for run in session.encode_image(picture(seed)).runs]
    rows = [np.concatenate([np.full(len(run.vectors), EMBEDDED), np.array([65, 66])]) for run in runs]
    whole = session.step([SlotTokens(0, np.concatenate(rows), embedded=tuple(runs))]).logits[-1].copy()
    session.fork(0, 1, len(rows[0]))
    session.truncate(0, len(rows[0]))
    session.load(2, session.save(1))

    outputs = [session.step([SlotTokens(slot, rows[1], embedded=(runs[1],))]).logits[-1].copy() for slot in range(3)]

    assert max(runs[0].grid) < len(runs[0].vectors)
    for output in outputs:
        np.testing.assert_allclose(output, whole, atol=1e-5)
