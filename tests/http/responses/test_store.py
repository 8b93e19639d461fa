"""What is kept of responses: within bounds, for whom it was given, in memory or in a file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jan_ort.http.responses.desk import ResponseDesk
from jan_ort.http.responses.store import ResponseStore, StoreUnavailable, check_store
from jan_ort.settings.schema import Settings, SettingsError
from tests.http.handlers.serving import serving, until
from tests.http.responses.asking import RESPONSES, respond

RECORD: dict[str, Any] = {"response": {"output": []}, "items": [{"id": "a", "text": "é"}]}


def store(**given: Any) -> ResponseStore:
    return ResponseStore(Settings.read(**given))


async def test_a_record_is_found_by_its_owner_alone_until_it_is_deleted() -> None:
    kept = store()

    assert await kept.put("resp_1", "mine", RECORD)
    assert await kept.get("resp_1", "mine") == RECORD
    assert await kept.get("resp_1", "") is None
    assert not await kept.delete("resp_1", "theirs")
    assert await kept.delete("resp_1", "mine")
    assert await kept.get("resp_1", "mine") is None
    kept.close()


async def test_what_was_not_used_for_the_longest_makes_room() -> None:
    kept = store(max_stored_responses=2)

    for name in ("a", "b"):
        await kept.put(name, "", RECORD)
    await kept.get("a", "")
    await kept.put("c", "", RECORD)

    assert [name for name in "abc" if await kept.get(name, "")] == ["a", "c"]
    kept.close()


async def test_the_bytes_of_all_are_bounded_and_one_that_never_fits_displaces_none() -> None:
    kept = store(max_stored_response_mb=1)
    large = {"text": "x" * 400_000}

    for name in ("a", "b", "c"):
        assert await kept.put(name, "", large)
    assert not await kept.put("d", "", {"text": "x" * 2**20})

    assert [name for name in "abcd" if await kept.get(name, "")] == ["b", "c"]
    kept.close()


@pytest.mark.parametrize("is_in_file", [True, False])
async def test_the_bytes_that_requests_leave_are_bounded(tmp_path: Path, is_in_file: bool) -> None:
    path = tmp_path / "responses.db"
    where = {"response_store": path} if is_in_file else {}
    async with serving(max_stored_response_mb=1, **where) as app:
        client = app.test_client()
        small = await respond(client)
        identities = [(await respond(client, input=weighing(300_000)))["id"] for _ in range(6)]
        await client.get(f"{RESPONSES}/{small['id']}")
        too_large = await respond(client, input=weighing(2**20))
        found = [
            (await client.get(f"{RESPONSES}/{each}")).status_code
            for each in (*identities, too_large["id"], small["id"])
        ]
        continued = await respond(client, previous_response_id=identities[-1])

    assert found == [404, 404, 404, 200, 200, 200, 404, 404]
    assert (small["store"], too_large["store"], continued["store"]) == (True, False, True)
    assert not is_in_file or path.stat().st_size < 1.25 * 2**20


def weighing(num_characters: int) -> list[dict[str, Any]]:
    """Return items of so many characters, of which a prompt has none."""
    part = {"type": "output_text", "text": "a", "annotations": [{"note": "x" * num_characters}]}
    return [{"role": "assistant", "content": [part]}, {"role": "user", "content": "?"}]


async def test_what_nobody_uses_is_forgotten() -> None:
    kept = store(stored_response_ttl_s=0.15)

    await kept.put("a", "", RECORD)
    for _ in range(4):
        await asyncio.sleep(0.06)
        assert await kept.get("a", "") == RECORD  # each use counts
    await asyncio.sleep(0.25)

    assert not await kept.delete("a", "")
    assert await kept.get("a", "") is None
    kept.close()


async def test_what_nobody_uses_leaves_the_file_while_nobody_asks(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    first = store(response_store=path)
    await first.put("a", "", RECORD)
    first.close()
    await asyncio.sleep(0.02)

    desk = ResponseDesk(Settings.read(response_store=path, stored_response_ttl_s=0.01))
    forgetting = asyncio.create_task(desk.forget_expired())
    await until(lambda: "é".encode() not in path.read_bytes())
    forgetting.cancel()
    desk.close()


async def test_a_file_that_another_holds_is_told_as_such(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "responses.db"
    kept = store(response_store=path)
    await kept.put("a", "", RECORD)
    kept._database.execute("PRAGMA busy_timeout = 10")

    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for call in (kept.get("a", ""), kept.delete("a", ""), kept.forget_expired()):
            with pytest.raises(StoreUnavailable, match="database is locked; try again later"):
                await call
        assert not await kept.put("b", "", RECORD)

    assert await kept.get("a", "") == RECORD
    kept.close()


async def test_none_are_kept_where_none_are_wanted() -> None:
    kept = store(max_stored_responses=0)

    assert not await kept.put("a", "", RECORD)
    kept.close()


async def test_a_file_keeps_them_between_two_servers_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    first = store(response_store=path)
    await first.put("a", "", RECORD)
    first.close()

    second = store(response_store=path)
    assert await second.get("a", "") == RECORD
    await second.delete("a", "")
    second.close()

    assert "é".encode() not in path.read_bytes()
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such modes")
def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    path.touch()
    path.chmod(0o644)

    check_store(Settings.read(response_store=path))

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other.db"
    text.write_text("not a database, but as long as the header of one is: " * 9, encoding="utf-8")
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE mine (a)")
    database.close()

    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(SettingsError, match="choose another file"):
            check_store(Settings.read(response_store=path))
        assert path.read_bytes() == before


def test_a_folder_and_a_file_in_no_folder_are_refused_as_settings(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "responses.db"):
        with pytest.raises(SettingsError, match="cannot be a file"):
            Settings.read(response_store=path)


async def test_a_full_disk_keeps_nothing_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = store(response_store=tmp_path / "responses.db")
    kept._database.execute("PRAGMA max_page_count = 4")

    assert not await kept.put("a", "", {"text": os.urandom(50_000).hex()})
    assert "full" in caplog.text
    kept.close()
