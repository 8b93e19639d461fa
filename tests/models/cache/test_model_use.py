"""The mark of a model in use: whoever closes the model takes it away, in whatever thread."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest
from filelock import FileLock

from jan_ort.models.cache.model_use import ModelUse, users
from tests.cli.commands.running import cache_model


def used_by_a_thread_that_has_ended(folder: Path) -> ModelUse:
    uses: list[ModelUse] = []
    thread = Thread(target=lambda: uses.append(ModelUse(folder)))
    thread.start()
    thread.join()
    return uses[0]


def test_a_model_that_one_thread_has_opened_is_closed_by_another(tmp_path: Path) -> None:
    folder = cache_model(tmp_path, "mine")
    use = used_by_a_thread_that_has_ended(folder)

    during = users(folder)
    use.close()

    assert len(during) == 1
    assert users(folder) == []
    assert list(tmp_path.rglob("*.use-*")) == []


def test_a_mark_that_its_owner_is_just_removing_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cache_model(tmp_path, "mine")
    mark = folder.with_name(f".{folder.name}.use-1-left")
    mark.touch()
    monkeypatch.setattr(Path, "unlink", refuse)

    assert users(folder) == []
    assert len(used_by_a_thread_that_has_ended(folder)._lock.lock_file) > 0  # type: ignore[union-attr]


def refuse(path: Path, missing_ok: bool = False) -> None:
    raise PermissionError(5, "Access is denied", str(path))


def test_a_mark_is_removed_only_when_its_lock_is_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use = used_by_a_thread_that_has_ended(cache_model(tmp_path, "mine"))
    unlink = Path.unlink

    def remove(path: Path, missing_ok: bool = False) -> None:
        FileLock(path).acquire(timeout=0).lock.release()  # Windows removes no file that is open
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", remove)
    use.close()

    assert list(tmp_path.rglob("*.use-*")) == []
