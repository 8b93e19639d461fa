"""Prefixes of prompts in files, for a later process: each is checked, and for the server's user alone (hop 6)."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import State
from jan_ort_backends.states import bytes_digest

logger = logging.getLogger(__name__)

MAX_PENDING = 4
"""Prefixes that wait to be written, and take memory meanwhile; one more is kept in memory only."""

_FIRST_LINE = b"jan-ort prefix 1\n"
_MAX_HEADER_BYTES = 4096
_SUFFIX, _UNFINISHED = ".prefix", ".unfinished"
_UNFINISHED_S = 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class StoredPrefix:
    """A prefix in a file: of whom, its tokens, int64 ``(n,)``, and how many bytes its state has."""

    scope: str
    tokens: NDArray[np.int64]
    num_bytes: int
    path: Path


class PrefixFiles:
    """Files below ``folder`` for the sessions whose ``SessionInfo.state_key`` is ``key``, up to ``max_bytes`` of them.

    They are written and removed in a thread of their own. A file that is damaged, or cannot be read or written, is
    logged and left out; nothing else comes of it. May be used from one thread at a time.
    """

    def __init__(self, folder: Path, key: str, max_bytes: int) -> None:
        """Make the folders. Raises: OSError."""
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._key = key
        self._root = folder
        self._folder = folder / hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="prefixes")
        self._pending: dict[Path, Future[None]] = {}

    def found(self) -> Iterator[StoredPrefix]:
        """Yield the prefixes of earlier processes, the last used first, once what there is no room for is removed."""
        self._sweep()
        for path in _last_used_first(self._folder.glob(f"*{_SUFFIX}")):
            try:
                stored = self._read_header(path)
            except (OSError, ValueError, KeyError, TypeError) as error:
                logger.warning("%s is left out and removed: %s", path, error)
                self._unlink(path)
                continue
            self.num_bytes += stored.num_bytes
            yield stored

    def write(self, scope: str, tokens: NDArray[np.int64], state: State, *, waits: bool = False) -> StoredPrefix | None:
        """Begin to write a prefix; None where too many wait for that, unless it ``waits`` for them."""
        if waits:
            wait(self._pending.values())
        self._pending = {path: future for path, future in self._pending.items() if not future.done()}
        if len(self._pending) >= MAX_PENDING:
            return None
        name = hashlib.blake2b(scope.encode() + b"/" + tokens.tobytes(), digest_size=16).hexdigest()
        stored = StoredPrefix(scope, tokens, len(state), self._folder / f"{name}{_SUFFIX}")
        self._pending[stored.path] = self._writer.submit(self._write, stored, state)
        self.num_bytes += stored.num_bytes
        return stored

    def read(self, stored: StoredPrefix) -> State | None:
        """Return what a slot held; None, and a line in the log, where the file is gone or damaged."""
        with suppress(KeyError):
            self._pending[stored.path].result()
        try:
            self._read_header(stored.path)
            state = np.fromfile(stored.path, np.uint8, offset=stored.path.stat().st_size - stored.num_bytes)
            with stored.path.open("rb") as file:
                header = _header(file.read(_MAX_HEADER_BYTES))[0]
            if bytes_digest(state).hex() != header["state"]:
                raise ValueError("its content is damaged")
            os.utime(stored.path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("a cached prompt cannot be read from %s: %s", stored.path, error)
            return None
        return state

    def remove(self, stored: StoredPrefix) -> None:
        """Remove a prefix, once what was begun is done."""
        self.num_bytes -= stored.num_bytes
        self._writer.submit(self._unlink, stored.path)

    def close(self) -> None:
        """Finish what was begun."""
        self._writer.shutdown(wait=True)

    def _write(self, stored: StoredPrefix, state: State) -> None:
        tokens = stored.tokens.astype("<i8")
        header = {"scope": stored.scope, "num_tokens": len(tokens), "num_bytes": len(state)}
        header |= {"tokens": self._digest(header, tokens.tobytes()), "state": bytes_digest(state).hex()}
        unfinished = stored.path.with_suffix(f".{os.getpid()}{_UNFINISHED}")
        try:
            descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_FIRST_LINE + json.dumps(header).encode() + b"\n" + tokens.tobytes())
                file.write(state.data)
            unfinished.replace(stored.path)
        except OSError as error:
            logger.warning("a cached prompt cannot be written to %s: %s", stored.path, error)
            self._unlink(unfinished)

    def _read_header(self, path: Path) -> StoredPrefix:
        """Read all but the state. Raises: OSError; ValueError, KeyError or TypeError for what is no such file."""
        with path.open("rb") as file:
            header, begin = _header(file.read(_MAX_HEADER_BYTES))
            num_tokens, num_bytes, scope = int(header["num_tokens"]), int(header["num_bytes"]), str(header["scope"])
            if min(num_tokens, num_bytes) < 0 or path.stat().st_size != begin + 8 * num_tokens + num_bytes:
                raise ValueError("it has another size than it says")
            file.seek(begin)
            tokens = file.read(8 * num_tokens)
        told = {"scope": scope, "num_tokens": num_tokens, "num_bytes": num_bytes}
        if self._digest(told, tokens) != header["tokens"]:
            raise ValueError("its tokens are damaged")
        return StoredPrefix(scope, np.frombuffer(tokens, "<i8").astype(np.int64), num_bytes, path)

    def _digest(self, header: dict[str, Any], tokens: bytes) -> str:
        told = hashlib.blake2b(json.dumps([self._key, header]).encode(), digest_size=16)
        told.update(tokens)
        return told.hexdigest()

    def _sweep(self) -> None:
        """Remove what exceeds the bound, of other models and versions, too, and what a process has left unfinished."""
        num_bytes = 0
        for path in _last_used_first(self._root.glob(f"*/*{_SUFFIX}")):
            with suppress(OSError):
                num_bytes += path.stat().st_size
            if num_bytes > self.max_bytes:
                self._unlink(path)
        for path in self._root.glob(f"*/*{_UNFINISHED}"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _UNFINISHED_S:
                    self._unlink(path)

    def _unlink(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", path, error)


def _header(beginning: bytes) -> tuple[dict[str, Any], int]:
    """Return a file's header and where its tokens begin. Raises: ValueError."""
    end = beginning.find(b"\n", len(_FIRST_LINE))
    if not beginning.startswith(_FIRST_LINE) or end < 0:
        raise ValueError("it is not a cached prompt of this version")
    header = json.loads(beginning[len(_FIRST_LINE) : end])
    if not isinstance(header, dict):
        raise ValueError("its header is not an object")
    return header, end + 1


def _last_used_first(paths: Iterator[Path]) -> list[Path]:
    """Return files by when they were last written or read; what is gone meanwhile comes last."""

    def used(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0

    return sorted(paths, key=used, reverse=True)
