"""Fetch a model from a Hugging Face repository, in a process of its own that can be ended at any moment.

The client blocks while it waits for bytes, and a thread cannot be ended from outside. So the server need not import
it either, which takes a second and tens of megabytes.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import Any

from jan_ort.ground.model_errors import CacheError, FetchError, ModelsError
from jan_ort.ground.progress import ByteShare, Progress
from jan_ort.ground.task import Task, find_task
from jan_ort.models.sources.download import run_watched
from jan_ort.models.sources.hub_files import HubId, Selection, unreachable

logger = logging.getLogger(__name__)

# The process finds this package wherever this one has found it.
_START = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import main; main()"


def fetch_hub(hub_id: HubId, task: Task, target: Path, progress: Progress, *, endpoint: str | None = None) -> Selection:
    """Download what the model needs into the existing, empty directory ``target``; return what it is.

    The user's own HF_ENDPOINT, HF_TOKEN and proxies apply; ``endpoint`` overrides the first. What ``progress`` raises
    ends the download at once. Raises: FetchError, CacheError, one line that says what to do;
    OSError if the disk is full.
    """
    stage = f"Downloading {hub_id}"
    answer: dict[str, Any] = {"fraction": 0.0, "total_bytes": 0}

    def hear(line: str) -> None:
        answer.update(json.loads(line or "{}"))
        progress(stage, ByteShare(answer["fraction"], answer["total_bytes"]))

    request = {"hub_id": asdict(hub_id), "task": task.name, "target": str(target), "endpoint": endpoint}
    progress(stage, 0.0)
    command = [sys.executable, "-P", "-c", _START, json.dumps(sys.path)]
    status, said = run_watched(command, hear, request=json.dumps(request))
    logger.debug("the download of %s ended with %d: %s", hub_id, status, said)
    if "os_error" in answer:
        raise OSError(*answer["os_error"])
    if "error" in answer:
        raise (CacheError if answer["kind"] == CacheError.__name__ else FetchError)(answer["error"])
    if "files" not in answer:
        last = said.strip().rpartition("\n")[2]
        raise unreachable(hub_id, task, f"its process ended with {status}: {last}")
    progress(stage, 1.0)
    return Selection(answer["kind"], tuple(answer["files"]), answer["folder"])


def main() -> None:
    """Download what standard input asks for, in one line of JSON; answer in lines of JSON. Ends when its input does."""
    from jan_ort.models.sources.hub_client import download

    request = json.loads(sys.stdin.readline())
    Thread(target=_end_with_the_parent, daemon=True).start()
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer

    def answer(**content: object) -> None:
        print(json.dumps(content), file=answers, flush=True)

    def report(fraction: float, total_bytes: int) -> None:
        answer(fraction=fraction, total_bytes=total_bytes)

    hub_id, task, target = HubId(**request["hub_id"]), find_task(request["task"]), Path(request["target"])
    assert task is not None, "fetch_hub has named it"
    try:
        selection = download(hub_id, task, target, report, request["endpoint"])
    except ModelsError as error:
        answer(error=str(error), kind=type(error).__name__)
    except OSError as error:
        answer(os_error=[error.errno, error.strerror, error.filename])
    else:
        answer(**asdict(selection))


def _end_with_the_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
