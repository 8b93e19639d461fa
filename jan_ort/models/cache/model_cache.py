"""The cache of converted models: a folder appears whole, is made by one process at a time, and is checked at start."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from jan_ort.ground.let_go import let_go, patiently
from jan_ort.ground.model_errors import CacheError
from jan_ort.ground.progress import Progress, silent
from jan_ort.models.cache.checksums import Checksums
from jan_ort.models.cache.manifest import CacheKey, find_damage, is_current, write_manifest

logger = logging.getLogger(__name__)

_TEMPORARY = ".tmp-"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
"""The last two of a file where a directory should be: POSIX says the one, Windows the other."""


class ModelCache:
    """The models under one directory, which is created at the first need."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._models = root / "models"
        self._checksums = Checksums(root / "checksums.json")

    def find(self, key: CacheKey) -> Path | None:
        """Return the key's folder if it is there and whole, else None. Writes nothing; some milliseconds at most.

        Raises: CacheError.
        """
        check_readable(self._root)
        versions = (replace(key, converter_version=version) for version in range(key.converter_version, 0, -1))
        folders = [folder for each in versions if (folder := self._models / each.folder_name).is_dir()]
        others = key.named_otherwise(self._models) if key.any_name else iter(())
        if not folders or not (folders[0].name == key.folder_name or is_current(folders[0])):
            return next(others, None)
        folder = folders[0]
        if damage := find_damage(folder):
            logger.warning("the cached model %s is damaged (%s); it is made again", folder, damage)
            return None
        return folder

    def get_or_build(self, key: CacheKey, build: Callable[[Path, Path], None], *, work_bytes: int = 0) -> Path:
        """Return the key's folder; if it is missing or damaged, make it, once, whatever number of processes ask.

        ``build(work, model)`` gets two empty directories: ``work`` for what it needs on the way, and ``model`` to
        fill. ``model`` becomes the key's folder by one rename. ``work_bytes`` is the disk space that this takes.
        Raises: CacheError if the directory is not writable or the disk is full; whatever ``build`` raises.
        """
        self.remove_stale()
        if found := self.find(key):
            return found
        with self._explain_os_errors():
            self._models.mkdir(parents=True, exist_ok=True)
            with self._lock(key.folder_name):
                if found := self.find(key):  # another process made it while this one waited
                    return found
                self._check_space(work_bytes)
                return self._build(key, build)

    def known_sha256(self, path: Path) -> str | None:
        """Return the file's sha256 if it is remembered by its path, size and time of change; the file is not read."""
        with self._explain_os_errors():
            return self._checksums.known(path)

    def file_sha256(self, path: Path, progress: Progress = silent) -> str:
        """Return the file's sha256, and remember it, so that the file is read only once."""
        with self._explain_os_errors():
            return self._checksums.known(path) or self._checksums.compute(path, progress)

    def remove_stale(self) -> None:
        """Delete what interrupted processes left: temporary directories whose model nobody is making any more."""
        for leftover in self._models.glob(f"{_TEMPORARY}*"):
            lock = self._file_lock(leftover.name.removeprefix(_TEMPORARY).rpartition("-")[0])
            try:
                with lock.acquire(timeout=0):
                    shutil.rmtree(leftover)
                    logger.info("removed %s, which an interrupted start had left", leftover)
            except (Timeout, FileNotFoundError):
                continue  # its maker holds the lock, so it is alive; or it has just ended and removed it itself
            except OSError as error:
                logger.warning("could not remove the leftover %s: %s", leftover, error)

    def _build(self, key: CacheKey, build: Callable[[Path, Path], None]) -> Path:
        target = self._models / key.folder_name
        temporary = self._models / f"{_TEMPORARY}{key.folder_name}-{secrets.token_hex(4)}"
        work, model = temporary / "work", temporary / "model"
        for leftover in self._models.glob(f"{_TEMPORARY}{key.folder_name}-*"):
            shutil.rmtree(leftover, ignore_errors=True)  # of one that was killed while this one waited for it
        try:
            work.mkdir(parents=True)
            model.mkdir()
            build(work, model)
            write_manifest(model, key)
            let_go()
            if target.exists():
                patiently(lambda: target.rename(temporary / "damaged"))
            patiently(lambda: model.rename(target))
        finally:
            let_go()
            shutil.rmtree(temporary, ignore_errors=True)  # what stays is removed at the next start
        return target

    def _file_lock(self, folder_name: str) -> FileLock:
        return maker_lock(self._models / folder_name)

    @contextmanager
    def _lock(self, folder_name: str) -> Iterator[None]:
        lock = self._file_lock(folder_name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("waiting for another process that is making %s", folder_name)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _check_space(self, work_bytes: int) -> None:
        free = shutil.disk_usage(self._models).free
        if free < work_bytes:
            raise CacheError(
                f"the disk of {self._root} has {free // 10**6} MB free and {work_bytes // 10**6} MB are needed; "
                "free some, or set JAN_ORT_CACHE_DIR to a directory on another disk"
            )

    @contextmanager
    def _explain_os_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                reason = f"the disk of the cache directory {self._root} is full; free some space, or set"
            elif error.errno == errno.EFBIG:
                reason = f"the file system of {self._root}, or a limit of this process, takes no file that large; set"
            elif error.errno in _REFUSED and Path(error.filename or self._root).is_relative_to(self._root):
                reason = f"the cache directory {self._root} is not writable ({error.strerror}); make it so, or set"
            else:
                raise
            raise CacheError(f"{reason} JAN_ORT_CACHE_DIR to another directory") from error


def check_readable(root: Path) -> None:
    """Check that the cache directory can be looked into, if there is one. Raises: CacheError."""
    try:
        for folder in (root, root / "models"):
            if folder.is_dir():
                os.scandir(folder).close()
    except PermissionError as error:
        raise CacheError(
            f"the cache directory {error.filename} cannot be read ({error.strerror}); change its mode, or set "
            "JAN_ORT_CACHE_DIR to another directory"
        ) from error


def maker_lock(folder: Path) -> FileLock:
    """Return the lock that is held by whoever makes or removes a cached folder."""
    return FileLock(folder.with_name(f".{folder.name}.lock"))
