"""Prompts that are kept beyond slots, as the settings want it: in memory, in a folder, or not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jan_ort.ground.task import GENERATE
from jan_ort.models.folder import ModelFolder
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.memory_ledger import MemoryLedger
from jan_ort.serving.prompt_cache import max_saved_bytes, open_pool
from jan_ort.settings.schema import Settings, SettingsError
from jan_ort_backends import DeviceReport, MemoryNeed, ModelError, SessionInfo
from jan_ort_backends.reference import ReferenceBackend
from jan_ort_backends.reference_tokenizer import FOLDER
from tests.http.handlers.serving import COMPLETIONS, serving

INFO = SessionInfo(8, 8, 1, 0, DeviceReport("cpu", "cpu"), "weights", state_key="key")
TEXTS = [
    f"{at} {name * 8}. The people walk along the river and talk of the garden. " * 2 for at, name in enumerate("abc")
]


async def cached(**given: object) -> list[int]:
    """Serve a model of one slot, and return what was cached of each of three prompts the second time."""
    async with serving(num_slots=1, **given) as app:
        client = app.test_client()
        found = []
        for text in TEXTS * 2:
            response = await client.post(COMPLETIONS, json={"prompt": text, "max_tokens": 1})
            found.append((await response.get_json())["usage"]["prompt_tokens_details"]["cached_tokens"])
        scraped = await (await client.get("/metrics")).get_data(as_text=True)
        assert f'jan_ort_prompt_cache_hits_total{{model_name="reference"}} {float(sum(found))}' in scraped
    return found


async def test_they_are_kept_unasked() -> None:
    found = await cached()

    assert found[:3] == [0, 0, 0]
    assert min(found[3:]) > 30


async def test_none_is_kept_where_nobody_wants_that() -> None:
    assert await cached(prompt_cache_mb=0) == [0] * 6


async def test_a_folder_keeps_them_over_a_restart(tmp_path: Path) -> None:
    await cached(prompt_cache_dir=tmp_path / "kept")

    again = await cached(prompt_cache_dir=tmp_path / "kept", prompt_cache_mb=0)

    assert min(again) > 30


def test_so_much_is_kept_as_is_said_or_a_sixteenth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jan_ort.serving.prompt_cache.available_bytes", lambda: 1600)

    assert max_saved_bytes(Settings.read(prompt_cache_mb=3)) == 3 * 2**20
    assert max_saved_bytes(Settings.read()) == 100


@pytest.mark.parametrize("name", ["a-file", "nowhere/kept"])
def test_a_folder_that_cannot_be_is_refused_before_anything_starts(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-file").touch()

    with pytest.raises(SettingsError, match="cannot be a folder: name one in a folder that exists"):
        Settings.read(prompt_cache_dir=tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders say little there")
@pytest.mark.skipif(sys.platform != "win32" and os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("name", ["kept", "."])
def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_starts(tmp_path: Path, name: str) -> None:
    above = tmp_path / "above"
    above.mkdir(mode=0o500)

    with pytest.raises(SettingsError, match="cannot be written to: name a folder of the server's user"):
        Settings.read(prompt_cache_dir=above / name)


def test_a_folder_that_cannot_be_made_is_told_with_the_remedy(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir()
    settings = Settings.read(prompt_cache_dir=above / "kept")
    above.rmdir()

    with pytest.raises(ModelError, match=r"cannot be used: .*; name a folder that can be written to"):
        open_pool(INFO, settings, 1)


def test_what_was_asked_for_counts_to_what_a_model_needs() -> None:
    class Telling(ReferenceBackend):
        def memory_need(self, model_dir: Path, options: object) -> MemoryNeed:
            return MemoryNeed(1, 2, 3)

    ledger = MemoryLedger(available=lambda: 10**12)
    found = FoundModel(ModelFolder.read(FOLDER), Telling())
    ledger.admit("key", GENERATE, found, Settings.read(prompt_cache_mb=7, num_slots=1))

    need = ledger.need("key")
    assert need is not None
    assert need.total_bytes == 6 + 7 * 2**20
