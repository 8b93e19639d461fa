"""What every download shares: a process that can be ended, checking what came, and saying what helps if nothing did."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from jan_ort.ground.file_blocks import sha256_in_blocks
from jan_ort.ground.model_errors import FetchError
from jan_ort.ground.process_group import APART
from jan_ort.ground.task import GENERATE, Task

_POLL_S = 0.25
_MAX_KEPT_LINES = 200


def run_watched(
    command: Sequence[str],
    hear: Callable[[str], None],
    *,
    request: str = "",
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run a process that downloads; return its exit status and the end of what it has written to standard error.

    ``hear`` gets each line of its output, and an empty text each quarter of a second without one. Whatever ``hear``
    raises, or Ctrl-C, ends the process at once. ``request`` is written to its input, which ends when this process does.
    """
    lines: SimpleQueue[str | None] = SimpleQueue()
    said: deque[str] = deque(maxlen=_MAX_KEPT_LINES)
    with subprocess.Popen(  # noqa: S603  (commands of our own)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        **APART,  # it would report a failed download
    ) as process:
        readers = _readers(process, said, lines)
        try:
            _ask(process, request)
            while (line := _next(lines)) is not None:
                hear(line)
        except BaseException:
            process.kill()
            raise
        finally:
            for reader in readers:
                reader.join()
    return process.returncode, "".join(said)


def _readers(process: subprocess.Popen[str], said: deque[str], lines: SimpleQueue[str | None]) -> list[Thread]:
    """Return the threads, which run, that read what the process writes."""
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [
        Thread(target=said.extend, args=(process.stderr,), daemon=True),
        Thread(target=_pass_on, args=(process.stdout, lines), daemon=True),
    ]
    for reader in readers:
        reader.start()
    return readers


def _ask(process: subprocess.Popen[str], request: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended already, and says why
        process.stdin.write(f"{request}\n")
        process.stdin.flush()


def _pass_on(output: Iterable[str], lines: SimpleQueue[str | None]) -> None:
    for line in output:
        lines.put(line)
    lines.put(None)


def _next(lines: SimpleQueue[str | None]) -> str | None:
    """Return the next line, an empty text if there is none yet, None if there will be none."""
    try:
        return lines.get(timeout=_POLL_S)
    except Empty:
        return ""


def offline_remedies(task: Task, *others: str) -> str:
    """Return the end of a message: all that helps when a model for ``task`` cannot be downloaded."""
    what = "FOLDER|FILE.gguf" if task == GENERATE else "FOLDER"
    choices = [f"Connect to the network, or pass {task.option} {what}", *others]
    return ", or ".join([*choices, "set JAN_ORT_CACHE_DIR to a cache that has the model"])


def verify_sha256(path: Path, expected: str, origin: str) -> None:
    """Check the file's content. Raises: FetchError that names both checksums and ``origin``, the place it is from."""
    if (found := sha256_in_blocks(path)) != expected:
        raise FetchError(
            f"{path.name} from {origin} has the sha256 {found}, expected {expected}: it was damaged or replaced on "
            "its way; try again, and if it happens again, do not use that source"
        )
