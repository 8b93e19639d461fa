"""What failed is kept with filler, as few and small files that only their owner may read."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from quart import Quart

from jan_ort.http.bug_records.failed_requests import MAX_BODY_BYTES, RECORDS, UNTOLD, FailedRequests
from jan_ort.http.bug_records.record_folder import NUM_KEPT, REQUEST, kept, record_folder
from jan_ort_backends import BadInput, SlotTokens
from tests.http.handlers.serving import CHAT, COMPLETIONS, Client, engine_of, post, serving, stream, until

SECRET = "Anna Zimmer of Hanover"


def refuse(batch: Sequence[SlotTokens]) -> NoReturn:
    raise BadInput("batch", f"it dislikes {SECRET}")


async def written(app: Quart) -> None:
    records: FailedRequests = app.extensions[RECORDS]
    await until(lambda: records.writing is not None and records.writing.done())


def records_in(cache: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in kept(record_folder(cache), REQUEST)]


async def failing(app: Quart, client: Client, body: dict[str, Any], *, path: str = COMPLETIONS) -> None:
    engine_of(app)._runner.session.step = refuse  # type: ignore[method-assign,assignment]
    if body.get("stream"):
        await stream(client, path, body)
    else:
        assert (await post(client, path, body))[0] == 500
    await written(app)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [(COMPLETIONS, {"prompt": SECRET}), (CHAT, {"messages": [{"role": "user", "content": SECRET}]})],
)
async def test_a_failed_request_is_kept_without_what_it_says(
    tmp_path: Path, path: str, body: dict[str, Any], is_stream: bool
) -> None:
    async with serving(bug_records="filler", cache_dir=tmp_path) as app:
        await failing(app, app.test_client(), body | {"stream": is_stream, "max_tokens": 3}, path=path)

    (record,) = records_in(tmp_path)
    assert (record["path"], record["status"], record["code"]) == (path, 500, "backend_failed")
    assert record["body"]["max_tokens"] == 3
    assert (SECRET in json.dumps(record), "it dislikes lorem" in record["message"]) == (False, True)


@pytest.mark.parametrize(("given", "is_there"), [("prompts", [True]), ("off", [])])
async def test_the_operator_decides_what_is_kept(tmp_path: Path, given: str, is_there: list[bool]) -> None:
    async with serving(bug_records=given, cache_dir=tmp_path) as app:
        engine_of(app)._runner.session.step = refuse  # type: ignore[method-assign,assignment]
        await post(app.test_client(), COMPLETIONS, {"prompt": SECRET})
        if RECORDS in app.extensions:
            await written(app)

    assert [SECRET in json.dumps(record) for record in records_in(tmp_path)] == is_there
    assert record_folder(tmp_path).exists() is bool(is_there)


async def test_keys_in_a_failed_request_are_not_kept_with_its_prompt(tmp_path: Path) -> None:
    async with serving(bug_records="prompts", cache_dir=tmp_path, admin_key="sesame-42") as app:
        await failing(app, app.test_client(), {"prompt": "my key is sesame-42 or hf_abcdefgh12345678"})

    (record,) = records_in(tmp_path)
    assert record["body"]["prompt"] == "my key is *** or ***"


async def test_only_the_last_ones_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    async with serving(bug_records="filler", cache_dir=tmp_path) as app:
        for number in range(NUM_KEPT + 2):
            await failing(app, app.test_client(), {"prompt": "a", "seed": number})

    paths = kept(record_folder(tmp_path), REQUEST)
    assert [record["body"]["seed"] for record in records_in(tmp_path)] == [4, 3, 2]
    if os.name == "posix":
        assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
        assert stat.S_IMODE(record_folder(tmp_path).stat().st_mode) == 0o700


@pytest.mark.parametrize("body", [{"prompt": "a", "temperature": -1}, {"prompt": 5}, b"{"])
async def test_what_a_client_did_wrong_is_not_kept(tmp_path: Path, body: Any) -> None:
    async with serving(bug_records="filler", cache_dir=tmp_path) as app:
        status, _ = await post(app.test_client(), COMPLETIONS, body)

    assert (status in (400, 422), records_in(tmp_path)) == (True, [])


@pytest.mark.parametrize(("given", "is_told"), [("filler", False), ("prompts", True)])
async def test_a_large_body_is_told_by_its_size_alone(tmp_path: Path, given: str, is_told: bool) -> None:
    """What a message repeats of it cannot be known, so the message is not kept, either."""
    async with serving(bug_records=given, cache_dir=tmp_path) as app:
        body = {"prompt": SECRET, "user": "b" * MAX_BODY_BYTES}
        await failing(app, app.test_client(), body)

    (record,) = records_in(tmp_path)
    assert (record["body"], record["body_bytes"]) == (None, len(json.dumps(body)))
    assert (SECRET in record["message"], record["message"] == UNTOLD) == (is_told, not is_told)


async def test_a_disk_that_takes_nothing_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with serving(bug_records="filler", cache_dir=tmp_path / "file") as app:
        await failing(app, app.test_client(), {"prompt": "a"})
        status, _ = await post(app.test_client(), COMPLETIONS, {"prompt": "b"})

    assert status == 500


async def test_bodies_are_held_within_bounds_and_until_their_answers_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(bug_records="filler", cache_dir=tmp_path) as app:
        await post(app.test_client(), COMPLETIONS, {"prompt": "a", "max_tokens": 1})
        held = app.extensions[RECORDS]._num_held
        monkeypatch.setattr("jan_ort.http.bug_records.failed_requests.MAX_HELD_BYTES", 10)
        await failing(app, app.test_client(), {"prompt": "a"})

    (record,) = records_in(tmp_path)
    assert (held, record["body"]) == (0, None)
