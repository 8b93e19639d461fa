"""A GGUF model with its mmproj file answers as transformers does, of the same weights; what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.convert import convert_gguf
from jan_ort.convert.weights.schemes import Weights
from jan_ort.ground.model_errors import ConversionError
from jan_ort_backends import EMBEDDED, ModelError, OpenOptions, Session, SlotTokens
from jan_ort_conformance.backend.judging.backend_run import run_backend
from jan_ort_conformance.backend.subject import Subject
from jan_ort_onnxruntime import backend, opening
from jan_ort_onnxruntime.providers.provider_table import CPU
from jan_ort_onnxruntime.sessions.image_session import SharedImageSession
from tests.backends.onnxruntime.test_image_models import IMAGES, picture, vector_id
from tests.convert.gguf_proof import mean_kl
from tests.fixtures.image_ggufs import FOLDER, KINDS, ReadingModel, llama, towers, write
from tests.fixtures.image_ggufs.towers import Mmproj

GOLDEN: dict[str, Any] = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in KINDS}


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Weights], Path]:
    """Return what converts a kind once."""
    made: dict[tuple[str, Weights], Path] = {}

    def convert(name: str, weights: Weights) -> Path:
        if (name, weights) not in made:
            model, mmproj = write(name, tmp_path_factory.mktemp(name))
            made[name, weights] = target = tmp_path_factory.mktemp(f"{name}-{weights}")
            convert_gguf(model, target, weights=weights, mmproj=mmproj)
        return made[name, weights]

    return convert


def prefilled(session: Session, name: str, conversation: str) -> NDArray[np.float32]:
    """Return the logits after a prompt in slot 0."""
    golden = GOLDEN[name][conversation]
    encoded = [session.encode_image(picture(seed), golden["detail"]) for seed in IMAGES[conversation]]
    prompt = np.array(golden["prompt"])
    row = np.where(prompt == vector_id(name), EMBEDDED, prompt)
    session.truncate(0, 0)
    output = session.step([SlotTokens(0, row, embedded=tuple(run for each in encoded for run in each.runs))])
    return output.logits[-1].copy()


@pytest.mark.parametrize(("name", "conversation"), [(name, each) for name in KINDS for each in GOLDEN[name]])
def test_an_unquantised_model_answers_as_transformers_does(
    name: str, conversation: str, converted: Callable[[str, Weights], Path]
) -> None:
    golden = GOLDEN[name][conversation]
    session = backend.open(converted(name, "fp16"), OpenOptions(num_slots=1))

    logits, token_ids = prefilled(session, name, conversation), []
    first = logits
    for _ in golden["generated"]:
        token_ids.append(int(logits.argmax()))
        logits = session.step([SlotTokens(0, np.array(token_ids[-1:]))]).logits[-1]

    assert token_ids == golden["generated"]
    assert mean_kl(np.array([golden["logits"]]), first[np.newaxis]) < 2e-5


@pytest.mark.parametrize("name", KINDS)
def test_8_bits_stay_near(name: str, converted: Callable[[str, Weights], Path]) -> None:
    session = backend.open(converted(name, "int8"), OpenOptions(num_slots=1))

    ours = np.stack([prefilled(session, name, conversation) for conversation in GOLDEN[name]])

    assert mean_kl(np.array([each["logits"] for each in GOLDEN[name].values()]), ours) < 2e-3


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_sequences_run_together_where_images_are_vectors_alone(
    weights: Weights, converted: Callable[[str, Weights], Path]
) -> None:
    session = backend.open(converted("idefics3", weights), OpenOptions(num_slots=2))
    image = session.encode_image(picture(1), "low")
    rows = [
        SlotTokens(0, np.concatenate([[5, 9], image.token_ids, [7]]), embedded=image.runs),
        SlotTokens(1, np.arange(3, 6 + len(image.token_ids))),
    ]

    together = session.step(rows).logits.copy()

    assert isinstance(session, SharedImageSession)
    for row, logits in zip(rows, together, strict=True):
        session.truncate(row.slot, 0)
        np.testing.assert_array_equal(session.step([row]).logits[0], logits)


def test_a_device_that_takes_sequences_apart_is_refused(
    converted: Callable[[str, Weights], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "built_in", lambda _: replace(CPU, separate_rows=True))

    with pytest.raises(ModelError, match="images are not read on CPUExecutionProvider; use the provider 'cpu'"):
        backend.open(converted("idefics3", "int8"), OpenOptions(num_slots=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_it_conforms(name: str, converted: Callable[[str, Weights], Path]) -> None:
    subject = Subject(backend, converted(name, "int8"), "onnxruntime")

    results = run_backend(subject, only=("images.*", "slots.*", "forks.*", "batches.*"), time_limit_s=None)

    assert {case.id: case.detail for case in results.cases if case.verdict.is_bad} == {}


def _no_layers(tower: Mmproj) -> None:
    tower.keys("idefics3", mean=[0.5] * 3, std=[0.5] * 3)


def _more(tower: Mmproj) -> None:
    towers.idefics3(tower)
    tower.tensor("v.deepstack.0.norm.weight", 32)


def _another_key(tower: Mmproj) -> None:
    towers.idefics3(tower)
    tower.writer.add_uint32("clip.vision.query_side", 3)


def _other_projector(tower: Mmproj) -> None:
    tower.keys("resampler", mean=[0.5] * 3, std=[0.5] * 3)


def _no_deviation(tower: Mmproj) -> None:
    tower.keys("idefics3", mean=[0.5] * 3, std=[0.0] * 3)


REFUSED: list[tuple[Callable[[Mmproj], None], int, str]] = [
    (_no_layers, 64, "tensor 'v.blk.1.ln1.weight' is missing"),
    (_more, 64, "tensor 'v.deepstack.0.norm.weight' belongs to no part"),
    (_another_key, 64, "'clip.vision.query_side' changes the model"),
    (_other_projector, 64, "projector 'resampler' is not supported; supported: idefics3, gemma3, qwen2vl_merger"),
    (_no_deviation, 64, "do not fit each other"),
    (towers.gemma3, 64, "belongs to a 'gemma3', and the model beside it is a 'llama'"),
    (towers.idefics3, 96, "its vectors have 96 numbers and the model's 64"),
]


@pytest.mark.parametrize(("add", "vector", "message"), REFUSED, ids=lambda value: getattr(value, "__name__", None))
def test_a_file_that_does_not_belong_to_the_model_is_refused(
    add: Callable[[Mmproj], None], vector: int, message: str, tmp_path: Path
) -> None:
    model, mmproj = write("idefics3", tmp_path)
    tower = Mmproj(mmproj, vector, 1)
    add(tower)
    tower.close()
    target = tmp_path / "target"
    target.mkdir()

    with pytest.raises(ConversionError, match=message):
        convert_gguf(model, target, mmproj=mmproj)


def test_a_model_without_the_token_of_an_image_is_refused(tmp_path: Path) -> None:
    _, mmproj = write("idefics3", tmp_path)
    model = ReadingModel(tmp_path / "text.gguf", "llama", "gemma3")
    llama(model)
    model.close()
    target = tmp_path / "target"
    target.mkdir()

    with pytest.raises(ConversionError, match="has no token <image>"):
        convert_gguf(tmp_path / "text.gguf", target, mmproj=mmproj)

    assert list(target.iterdir()) == []


def test_what_is_no_mmproj_file_is_refused(tmp_path: Path) -> None:
    model, mmproj = write("idefics3", tmp_path)

    for named, message in ((model, "is not an mmproj file"), (tmp_path / "no.gguf", "cannot be read|does not exist")):
        with pytest.raises(ConversionError, match=message):
            convert_gguf(model, _folder(tmp_path / named.stem), mmproj=named)
    with pytest.raises(ConversionError, match="the part of a model that reads images"):
        convert_gguf(mmproj, _folder(tmp_path / "target"))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


_TENSOR = Mmproj.tensor
_OLD = {"ffn_up": "ffn_down", "ffn_down": "ffn_up"}


def _add_by_old_name(tower: Mmproj, name: str, *shape: int, **how: Any) -> None:
    part = name.split(".")[3] if name.startswith("v.blk") else ""
    _TENSOR(tower, name.replace(part, _OLD[part]) if part in _OLD else name, *shape, **how)


def test_old_names_of_the_ways_up_and_down_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = []
    for add in (_TENSOR, _add_by_old_name):
        monkeypatch.setattr(Mmproj, "tensor", add)
        folder = _folder(tmp_path / add.__name__)
        model, mmproj = write("idefics3", folder)
        convert_gguf(model, _folder(folder / "target"), weights="fp16", mmproj=mmproj)
        logits.append(prefilled(backend.open(folder / "target", OpenOptions(num_slots=1)), "idefics3", "one"))

    assert np.array_equal(*logits)
