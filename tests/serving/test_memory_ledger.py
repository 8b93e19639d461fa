"""A model that does not fit is refused with the sum, before it is loaded; what loaded ones may still take is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jan_ort.ground.model_errors import ModelTooLarge
from jan_ort.ground.task import EMBED, GENERATE, Task
from jan_ort.http.app import create_app
from jan_ort.models.folder import ModelFolder
from jan_ort.serving.memory_ledger import MemoryLedger
from jan_ort.settings.schema import Settings
from jan_ort_backends import OpenOptions
from jan_ort_backends.memory import MemoryNeed
from jan_ort_backends.reference import ReferenceBackend
from tests.http.handlers.serving import COMPLETIONS, reference_settings, server_of, until

GB = 10**9
FOLDER = ModelFolder(Path("models/big"), "big", GENERATE, 8192, (2,), None, False, None)


class Estimating(ReferenceBackend):
    """Weights of 1 GB, and a KV cache of 100 kB a token of each slot."""

    def memory_need(self, model_dir: Path, options: OpenOptions) -> MemoryNeed | None:
        return MemoryNeed(GB, 100_000 * options.num_slots * (options.context_length or 8192), GB // 10)


def admit(ledger: MemoryLedger, key: object = "a", task: Task = GENERATE, **settings: Any) -> Settings:
    return ledger.admit(key, task, FOLDER, Estimating(), reference_settings(**settings))


def ledger(available: int, used: list[int] | None = None) -> MemoryLedger:
    """Return a ledger of a machine; ``used`` are the sizes of the process at each question."""
    sizes = used or [0] * 99
    return MemoryLedger(lambda: available, lambda _: sizes.pop(0))


def test_a_model_that_fits_is_loaded_as_it_was_asked_for() -> None:
    assert admit(ledger(8 * GB), context_length=4096) == reference_settings(context_length=4096)


def test_a_model_that_does_not_fit_is_refused_with_the_sum() -> None:
    with pytest.raises(ModelTooLarge) as refused:
        admit(ledger(4 * GB), context_length=8192)

    assert str(refused.value) == (
        "models/big needs 7.7 GB (weights 1.0, KV cache 6.6 for 8 slots of 8,192 tokens, working memory 0.1) of "
        "memory, and 4.0 GB are available; lower --num-slots or --context-length, take a smaller model or "
        "--weights int4, or load it nevertheless with --memory-limit-mb 0"
    )


def test_a_context_length_that_nobody_has_given_is_lowered_to_what_fits(caplog: pytest.LogCaptureFixture) -> None:
    settings = admit(ledger(5 * GB))

    assert settings.context_length == 4096
    assert "its context length is lowered from 8,192 to 4,096 tokens; --context-length" in caplog.text


def test_it_is_not_lowered_to_next_to_nothing() -> None:
    with pytest.raises(ModelTooLarge, match="for 8 slots of 8,192 tokens"):
        admit(ledger(2 * GB))


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

    assert ledger(0).admit("a", GENERATE, FOLDER, ReferenceBackend(), settings) is settings


def test_a_model_that_embeds_is_told_without_a_kv_cache() -> None:
    class Encoder(ReferenceBackend):
        def memory_need(self, model_dir: Path, options: OpenOptions) -> MemoryNeed | None:
            assert options.context_length is None
            return MemoryNeed(2 * GB)

    with pytest.raises(ModelTooLarge, match=r"2\.0 GB \(weights 2\.0, working memory 0\.0\).*close other programs"):
        ledger(GB).admit("a", EMBED, FOLDER, Encoder(), reference_settings(context_length=512))


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
