"""--speculate and --draft-model: counted where they are used, and refused by name where they cannot be."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from jan_ort.cli.doctor.examination import examine_all
from jan_ort.engine.speculation.drafter import Drafter
from jan_ort.engine.speculation.ngram import NgramDrafter
from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.task import GENERATE
from jan_ort.models.folder import ModelFolder
from jan_ort.plugins.choice import NoBackendError
from jan_ort.serving.choice import check_settings
from jan_ort.serving.drafting import open_drafter
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.generative import open_generative
from jan_ort.serving.memory_ledger import MemoryLedger
from jan_ort.serving.served_model import open_tokenizer
from jan_ort.settings.schema import Settings, SettingsError
from jan_ort_backends import DeviceReport, ModelError, OpenOptions, SessionInfo
from jan_ort_backends.memory import MemoryNeed
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from jan_ort_backends.reference_tokenizer import FOLDER
from tests.engine.speculation.drafting import always_worth_it
from tests.http.handlers.serving import COMPLETIONS, reference_settings, serving
from tests.serving.several import copied

INFO = SessionInfo(8, 8, 1, 0, DeviceReport("cpu", "cpu"), "weights")
ASKED = {
    "prompt": "The river runs. " * 6,
    "max_tokens": 60,
    "seed": 1,
    "repeat_penalty": 1.0,
    "logit_bias": {"65": 60},
}


async def answered(**given: object) -> tuple[str, str]:
    """Return the text of an answer, and what is scraped after it."""
    async with serving(**given) as app:
        client = app.test_client()
        answer = await (await client.post(COMPLETIONS, json=ASKED)).get_json()
        return answer["choices"][0]["text"], await (await client.get("/metrics")).get_data(as_text=True)


def counted(scraped: str, name: str) -> float:
    return float(scraped.split(f'vllm:spec_decode_num_{name}_total{{model_name="reference"}} ')[1].split()[0])


async def test_drafts_are_counted_and_change_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    always_worth_it(monkeypatch)
    plain, without = await answered()
    drafted, scraped = await answered(speculate="ngram")

    assert drafted == plain
    assert counted(without, "drafts") == counted(without, "draft_tokens") == 0
    assert 0 < counted(scraped, "accepted_tokens") <= counted(scraped, "draft_tokens")
    assert counted(scraped, "drafts") <= counted(scraped, "draft_tokens")
    assert 'tokens_per_pos_total{model_name="reference",position="0"}' in scraped


def found(folder: Path = FOLDER, draft: Path | None = None) -> FoundModel:
    own = None if draft is None else found(draft)
    return FoundModel(ModelFolder.read(folder), ReferenceBackend(), draft=own)


def opened(info: SessionInfo, name: str = "m", **given: str) -> Drafter | None:
    model = replace(found(), folder=replace(found().folder, name=name))
    return open_drafter(model, info, open_tokenizer(model.folder), Settings.read(**given))


def test_nothing_is_guessed_unasked() -> None:
    assert opened(INFO) is None
    assert isinstance(opened(INFO, speculate="ngram"), NgramDrafter)


@pytest.mark.parametrize("num_checkpoints", [0, 4])
def test_a_model_with_a_state_is_refused_by_name(num_checkpoints: int) -> None:
    info = replace(INFO, num_checkpoints=num_checkpoints)

    with pytest.raises(ModelError, match=r"--speculate ngram .* and mamba keeps a state .* --speculate off"):
        opened(info, "mamba", speculate="ngram")
    assert opened(info, "mamba") is None


def test_another_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match="'off', 'ngram' or 'draft-model'"):
        Settings.read(speculate="always")


async def test_a_draft_model_is_counted_and_changes_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    always_worth_it(monkeypatch)
    plain, _ = await answered(model="reference")
    drafted, scraped = await answered(model="reference", draft_model="reference")
    isolated, also = await answered(model="reference", draft_model="reference", isolate=True)

    assert drafted == isolated == plain
    for each in (scraped, also):
        assert 0 < counted(each, "accepted_tokens") <= counted(each, "draft_tokens")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"speculate": "off", "draft_model": "small"}, "--draft-model small needs draft-model here: give one of the"),
        ({"speculate": "ngram", "draft_model": "small"}, "--draft-model small needs draft-model here"),
        ({"speculate": "draft-model"}, "name one with --draft-model"),
    ],
)
def test_a_kind_and_a_draft_model_that_do_not_go_together_are_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.read(**given)


def test_a_draft_model_is_what_drafts() -> None:
    assert Settings.read(draft_model="small").speculate == "draft-model"
    assert Settings.read().speculate == "off"


@pytest.mark.parametrize(
    ("draft", "message"),
    [
        ("./not/there.gguf", r"--draft-model ./not/there.gguf: .*not/there.gguf.* does not exist"),
        ("smolm2-135m-instruct", "--draft-model .*did you mean 'smollm2-135m-instruct'"),
        ("all-minilm-l6-v2", "--draft-model all-minilm-l6-v2: .* makes embeddings, but one that generates"),
        (
            "reference-reranker",
            "--draft-model reference-reranker: .* scores pairs of texts, but one that gen",
        ),
    ],
)
def test_what_cannot_draft_is_refused_before_anything_is_started(draft: str, message: str) -> None:
    with pytest.raises(ModelReferenceError, match=message):
        check_settings(Settings.read(model="reference", backend="reference", draft_model=draft))


def test_a_provider_that_the_backend_does_not_have_is_refused_for_the_draft_model_too() -> None:
    with pytest.raises(NoBackendError, match="'reference@cuda' cannot run on provider 'cuda'"):
        check_settings(Settings.read(model="reference", backend="reference", draft_model="reference@cuda"))


def test_a_draft_model_of_another_vocabulary_is_refused_with_the_first_token_that_differs(tmp_path: Path) -> None:
    folder = Path(copied(tmp_path, "other"))
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace("<|im_start|>", "<|begin|>"))

    with pytest.raises(
        ModelError, match=r"--draft-model other has another .*: token 507 is b'<.begin.>' there and b'<.im_"
    ):
        open_generative(found(draft=folder), reference_settings(draft_model=str(folder)), lambda events: None)


def test_a_draft_model_with_a_state_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Recurrent(ReferenceBackend):
        def open(self, model_dir: Path, options: OpenOptions) -> ReferenceSession:
            session = super().open(model_dir, options)
            session.info = replace(session.info, num_checkpoints=2)
            return session

    both = replace(found(), draft=replace(found(), backend=Recurrent()))

    with pytest.raises(ModelError, match=r"--draft-model needs .* and reference keeps a state .*; take another one"):
        open_generative(both, reference_settings(draft_model="reference"), lambda events: None)


@pytest.mark.parametrize("num_bytes", [0, 4000])
def test_a_larger_draft_model_is_warned_of(tmp_path: Path, num_bytes: int, caplog: pytest.LogCaptureFixture) -> None:
    folder = Path(copied(tmp_path, "large"))
    (folder / "weights").write_bytes(bytes(num_bytes))
    both = found(Path(copied(tmp_path, "small")), folder)
    with caplog.at_level(logging.WARNING):
        open_generative(both, reference_settings(draft_model=str(folder)), lambda events: None).close()

    assert ("it can hardly make that faster" in caplog.text) == bool(num_bytes)


def test_a_draft_model_is_counted_to_what_a_model_needs() -> None:
    class Telling(ReferenceBackend):
        def memory_need(self, model_dir: Path, options: OpenOptions) -> MemoryNeed:
            return MemoryNeed(1000, (options.context_length or 512) * options.num_slots, 10)

    backend, folder = Telling(), ModelFolder.read(FOLDER)
    draft = FoundModel(replace(folder, context_length=100), backend)
    settings = reference_settings(num_slots=2, context_length=300, prompt_cache_mb=0, memory_limit_mb=1)
    ledger = MemoryLedger(available=lambda: 10**12)
    ledger.admit("key", GENERATE, FoundModel(folder, backend, draft=draft), settings)

    assert ledger.need("key") == MemoryNeed(2000, 2 * 300 + 2 * 100, 20)


def test_the_doctor_looks_at_the_draft_model_and_opens_both(tmp_path: Path) -> None:
    folder = copied(tmp_path, "small")
    flags = {"model": "reference", "draft_model": folder, "backend": "reference", "cache_dir": tmp_path / "cache"}
    report = examine_all(flags)
    wrong = examine_all(flags | {"draft_model": "reference-reranker"})

    assert [(each.reference, each.task) for each in report.models] == [(folder, "draft"), ("reference", "generate")]
    assert report.models[1].device is not None
    assert not report.problems
    assert any("--draft-model reference-reranker" in each.message for each in wrong.problems)
