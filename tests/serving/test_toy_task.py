"""A new task is one object, one way to serve it, and an entry of each of two lists; everything that serves has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from quart import Quart

from jan_ort.cli.doctor.examination import examine_all
from jan_ort.engine.in_flight import Delivery
from jan_ort.ground import task as tasks
from jan_ort.ground.task import TASKS, Task
from jan_ort.models.cache.model_use import ModelUse
from jan_ort.serving import served_tasks
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.generative import GENERATING
from jan_ort.serving.served_model import ServedModel, open_session, open_tokenizer
from jan_ort.serving.served_task import ServedTask
from jan_ort.serving.serving_errors import ModelNotFound, NoModelForTask
from jan_ort.settings.schema import Settings
from jan_ort_backends import Capability, DeviceReport, Session
from tests.http.handlers.serving import CHAT, EMBEDDINGS, HELLO, loaded_models, post, server_of, serving
from tests.serving.several import UNLOAD, change, copied, listed, statuses

COUNT = Task("count", Capability.GENERATE, kind="counting", does="counts tokens", option="--model")


@dataclass(frozen=True, kw_only=True)
class CountingModel(ServedModel):
    """A model that answers a number."""

    session: Session

    async def count(self, text: str) -> int:
        return len(await self.encode(text))

    @property
    def device(self) -> DeviceReport:
        return self.session.info.device

    def close(self) -> bool:
        self.session.close()
        self.close_base()
        return True


def open_counting(found: FoundModel, settings: Settings, _deliver: Delivery) -> CountingModel:
    folder, backend = found.folder, found.backend
    session = open_session(folder.path, backend, settings, COUNT)
    return CountingModel(
        folder=folder,
        use=ModelUse(folder.path),
        tokenizer=open_tokenizer(folder),
        backend=backend.name,
        context_length=session.info.context_length,
        weights_hash=session.info.weights_hash,
        session=session,
    )


COUNTING = ServedTask(COUNT, CountingModel, open_counting, lambda folder, model: ["counting"])


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TASKS", (*TASKS, COUNT))
    monkeypatch.setattr(served_tasks, "SERVED_TASKS", (*served_tasks.SERVED_TASKS, COUNTING))


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Quart]:
    """A server of one model, which counts: ``--model`` takes it, since its folder says what it is for."""
    async with serving(model=copied(tmp_path, "abacus", task="count")) as app:
        yield app


async def test_a_toy_is_listed_lent_and_unloaded(app: Quart) -> None:
    client = app.test_client()
    metadata = (await listed(client))["abacus"]
    lease = await server_of(app).lend(COUNTING, "abacus")
    number = await lease.model.count("Hello")
    lease.release()

    assert (metadata["tasks"], metadata["capabilities"], metadata["status"]) == (["count"], ["counting"], "loaded")
    assert number == len(lease.model.tokenizer.encode("Hello"))
    assert await change(client, UNLOAD, "abacus") == {"abacus": "unloaded"}
    assert loaded_models(app) == []


async def test_a_toy_that_was_unloaded_is_loaded_for_whoever_asks_for_it(app: Quart) -> None:
    client = app.test_client()
    await change(client, UNLOAD)
    (await server_of(app).lend(COUNTING, None)).release()

    assert await statuses(client) == {"abacus": "loaded"}


async def test_a_request_for_another_task_says_which_model_is_missing(app: Quart) -> None:
    client = app.test_client()
    _, chat = await post(client, CHAT, {"messages": HELLO})
    _, embedding = await post(client, EMBEDDINGS, {"input": "Hello"})

    assert chat["error"]["code"] == "no_chat_model"
    assert chat["error"]["message"] == "no chat model is configured; start the server with --model"
    assert embedding["error"]["code"] == "no_embedding_model"
    assert embedding["error"]["message"] == "no embedding model is configured; start the server with --embedding-model"


async def test_its_tokenizer_is_lent_where_there_is_no_other_model(app: Quart) -> None:
    lease = await server_of(app).lend(COUNTING, None)
    status, answer = await post(app.test_client(), "/extras/tokenize/count", {"input": "Hello"})

    assert (status, answer) == (200, {"count": await lease.model.count("Hello")})


async def test_a_toy_stands_beside_models_for_other_tasks(tmp_path: Path) -> None:
    counting_models = [copied(tmp_path, name, task="count") for name in ("abacus", "tally")]
    async with serving(model=[*counting_models, copied(tmp_path, "ada")]) as app:
        server = server_of(app)
        generating, counting = await server.lend(GENERATING, None), await server.lend(COUNTING, "tally")
        with pytest.raises(ModelNotFound, match="there is no model 'ada'; served: 'abacus', 'tally'"):
            await server.lend(COUNTING, "ada")

        assert [each.name for each in server.roster.residents] == ["ada", "abacus", "tally"]
        assert (generating.model.name, counting.model.name) == ("ada", "tally")


async def test_a_toy_that_is_not_configured_is_missing() -> None:
    async with serving() as app:
        with pytest.raises(NoModelForTask, match="no counting model is configured; start the server with --model"):
            await server_of(app).lend(COUNTING, None)


def test_the_doctor_opens_a_toy(tmp_path: Path) -> None:
    report = examine_all({"model": (copied(tmp_path, "abacus", task="count"),), "backend": "reference", "port": 0})

    assert report.problems == ()
    assert [(model.task, model.device is not None) for model in report.models] == [("count", True)]


def test_a_task_that_is_unknown_is_refused_with_the_names_of_all(tmp_path: Path) -> None:
    flags = {"model": (copied(tmp_path, "odd", task="sing"),), "backend": "reference", "port": 0}
    (problem,) = examine_all(flags).problems

    assert problem.message.endswith("task 'sing' is unknown; known: generate, embed, rerank, count")


def test_every_task_is_served() -> None:
    assert tuple(served.task for served in served_tasks.SERVED_TASKS) == tasks.TASKS
