"""A model that does not fit is refused with the sum, before it is loaded; what loaded ones may still take is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jan_ort.ground.model_errors import ModelTooLarge
from jan_ort.ground.task import EMBED, GENERATE, RERANK, Task
from jan_ort.http.app import create_app
from jan_ort.models.folder import ModelFolder
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.memory_ledger import MemoryLedger
from jan_ort.settings.schema import Settings
from jan_ort_backends import OpenOptions
from jan_ort_backends.memory import MemoryNeed
from jan_ort_backends.reference import ReferenceBackend
from tests.http.handlers.serving import COMPLETIONS, EVERY_TASK, reference_settings, server_of, until

GB = 10**9
FOLDER = ModelFolder(Path("models/big"), "big", GENERATE, 8192, (2,), None, False, None)


class Estimating(ReferenceBackend):
    """Weights of 1 GB, and a KV cache of 100 kB a token of each slot."""

    def memory_need(self, model_dir: Path, options: OpenOptions) -> MemoryNeed | None:
        return MemoryNeed(GB, 100_000 * options.num_slots * (options.context_length or 8192), GB // 10)


def admit(ledger: MemoryLedger, key: object = "a", task: Task = GENERATE, **settings: Any) -> Settings:
    return ledger.admit(key, task, FoundModel(FOLDER, Estimating()), reference_settings(**settings))


def ledger(available: int, used: list[int] | None = None) -> MemoryLedger:
    """Return a ledger of a machine; ``used`` are the sizes of the process at each question."""
    sizes = used or [0] * 99
    return MemoryLedger(lambda: available, lambda _: sizes.pop(0))


def test_a_model_that_fits_is_loaded_as_it_was_asked_for() -> None:
    assert admit(ledger(8 * GB), context_length=4096) == reference_settings(context_length=4096)


def test_a_model_that_does_not_fit_is_refused_with_the_sum() -> None:
    with pytest.raises(ModelTooLarge) as refused:
        admit(ledger(4 * GB), context_length=8192, num_slots=8)

    assert str(refused.value) == (
        f"{Path('models/big')} needs 7.7 GB (weights 1.0, KV cache 6.6 for 8 slots of 8,192 tokens, working memory "
        "0.1) of memory, and 4.0 GB are available; lower --num-slots or --context-length, serve fewer models, use "
        "a smaller one or --weights int4, or load it anyway with --memory-limit-mb 0"
    )


def test_a_context_length_that_nobody_has_given_is_lowered_to_what_fits(caplog: pytest.LogCaptureFixture) -> None:
    settings = admit(ledger(5 * GB))

    assert settings.context_length == 4096
    assert "its context length is lowered from 8,192 to 4,096 tokens; --context-length" in caplog.text


def test_slots_that_nobody_has_asked_for_are_given_up_before_a_short_context(caplog: pytest.LogCaptureFixture) -> None:
    settings = admit(ledger(2 * GB))

    assert (settings.num_slots, settings.context_length) == (4, 2048)
    assert (
        "and 2.0 GB are available: its context length is lowered from 8,192 to 2,048 tokens and its slots are lowered "
        "from 8 to 4; --context-length or --num-slots decide otherwise"
    ) in caplog.text


def test_what_was_asked_for_is_not_made_smaller(caplog: pytest.LogCaptureFixture) -> None:
    fewer = admit(ledger(4 * GB), context_length=8192)
    shorter = admit(ledger(5 * GB), num_slots=8)

    assert (fewer.num_slots, fewer.context_length) == (3, 8192)
    assert (shorter.num_slots, shorter.context_length) == (8, 4096)
    assert "its slots are lowered from 8 to 3" in caplog.text
    with pytest.raises(ModelTooLarge, match="for 8 slots of 2,048 tokens"):
        admit(ledger(2 * GB), num_slots=8)
    with pytest.raises(ModelTooLarge, match="for 1 slot of 8,192 tokens"):
        admit(ledger(GB), context_length=8192)


def test_it_is_not_lowered_to_next_to_nothing() -> None:
    with pytest.raises(ModelTooLarge, match=r"for 1 slot of 2,048 tokens.* available; lower --context-length, serve"):
        admit(ledger(GB))


def test_a_short_context_of_the_model_is_not_lowered() -> None:
    short = replace(FOLDER, context_length=1024)

    settings = ledger(2 * GB).admit("a", GENERATE, FoundModel(short, Estimating()), reference_settings())

    assert (settings.num_slots, settings.context_length) == (1, None)


async def test_what_cannot_be_made_smaller_is_loaded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks: list[Task] = []

    def admit(self: MemoryLedger, key: object, task: Task, *given: Any, may_shrink: bool) -> Settings:
        tasks.append(task)
        return reference_settings()

    monkeypatch.setattr(MemoryLedger, "admit", admit)
    app = create_app(reference_settings(**EVERY_TASK))
    async with app.test_app():
        await until(lambda: server_of(app).status != "loading")

    assert tasks == [EMBED, RERANK, GENERATE]


def test_no_limit_is_no_check() -> None:
    assert admit(ledger(0), memory_limit_mb=0).context_length is None


def test_a_limit_counts_instead_of_what_is_available_for_all_models_together() -> None:
    models = ledger(0)

    admit(models, "a", num_slots=1, context_length=1000, memory_limit_mb=2048)
    with pytest.raises(ModelTooLarge, match=r"and 0\.9 GB are available"):
        admit(models, "b", num_slots=1, context_length=1000, memory_limit_mb=2048)
    models.release("a")
    admit(models, "b", num_slots=1, context_length=1000, memory_limit_mb=2048)


def test_what_a_loaded_model_may_still_take_is_spoken_for() -> None:
    """The first needs 4.4 GB and has taken 1.1 so far: of the 6 GB that are still free, 3.3 are its own."""
    models = ledger(6 * GB, [0, 11 * GB // 10, 44 * GB // 10])
    small = {"num_slots": 1, "context_length": 16_384}

    admit(models, "a", num_slots=4, context_length=8192)
    with pytest.raises(ModelTooLarge, match=r"and 2\.7 GB are available"):
        admit(models, "b", num_slots=2, context_length=8192 + 2048)
    admit(models, "b", **small)  # by now the first one has taken all that it needs


def test_a_backend_that_does_not_tell_is_not_asked_twice() -> None:
    settings = reference_settings()

    assert ledger(0).admit("a", GENERATE, FoundModel(FOLDER, ReferenceBackend()), settings) is settings


def test_a_model_that_embeds_is_told_without_a_kv_cache() -> None:
    class Encoder(ReferenceBackend):
        def memory_need(self, model_dir: Path, options: OpenOptions) -> MemoryNeed | None:
            assert options.context_length is None
            return MemoryNeed(2 * GB)

    with pytest.raises(ModelTooLarge, match=r"2\.0 GB \(weights 2\.0, working memory 0\.0\).*close other programs"):
        ledger(GB).admit("a", EMBED, FoundModel(FOLDER, Encoder()), reference_settings(context_length=512))


async def test_a_request_for_a_model_that_does_not_fit_is_answered_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReferenceBackend, "memory_need", lambda self, path, options: MemoryNeed(2**40), raising=False)
    app = create_app(reference_settings(load="request"))
    async with app.test_app():
        await until(lambda: server_of(app).status != "loading")

        answer = await app.test_client().post(COMPLETIONS, json={"prompt": "a"})

    error = (await answer.get_json())["error"]
    assert (answer.status_code, error["code"]) == (503, "model_failed")
    assert "needs 1099.5 GB (weights 1099.5, working memory 0.0) of memory" in error["message"]
    assert int(answer.headers["Retry-After"]) >= 1
