"""The Hugging Face hub's client, and what its errors mean: the one place that imports it, which takes a second."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from jan_ort.convert.inputs.hf_wrapper import text_config
from jan_ort.convert.inputs.yes_or_no import ranks_by_answering
from jan_ort.ground.json_object import read_object
from jan_ort.ground.model_errors import CacheError, FetchError, ModelsError
from jan_ort.ground.task import EMBED, GENERATE, RERANK, Task, task_names
from jan_ort.models.folder_files import is_headless, scores_pairs
from jan_ort.models.sources.download import verify_sha256
from jan_ort.models.sources.hub_files import HubId, Selection, select_files, unreachable

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

_CONFIG = "config.json"
_POLL_S = 0.25
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)

_REMEDIES = {
    401: "it does not know the token: set HF_TOKEN to one of your account, or unset it",
    403: "the account whose token this is may not read it: accept its terms on its page, or give the token that right",
    429: "it was asked too often: wait some minutes; with HF_TOKEN set it may be asked more",
}
"""What to do about an answer of this status."""

_TROUBLE = "the trouble is on its side: try again in some minutes, or name a folder or file on this machine"


def ask_task(reference: HubId, endpoint: str | None = None) -> tuple[Task, str]:
    """Return what the repository is for, and what tells it. Raises: FetchError, one line that says what to do.

    A sentence-transformers model embeds, and so does one whose config.json names no head; one whose head scores pairs
    ranks, as does Qwen3-Reranker, which only its name tells; any other generates.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    with explain_errors(reference, GENERATE), tempfile.TemporaryDirectory() as directory:
        repository = HfApi(endpoint=endpoint).model_info(reference.repo_id, revision=reference.revision)
        names = {sibling.rfilename for sibling in repository.siblings or ()}
        has_modules = "modules.json" in names
        if any(name.startswith("1_Pooling/") for name in names) or (has_modules and _CONFIG not in names):
            return EMBED, "it is a sentence-transformers model"
        if _CONFIG not in names:
            return GENERATE, f"it has no {_CONFIG} that says otherwise"
        path = hf_hub_download(
            reference.repo_id, _CONFIG, revision=repository.sha, local_dir=directory, endpoint=endpoint
        )
        if any("_LogitScore/" in name for name in names):
            return RERANK, "it has a module LogitScore"
        task, reason = _task_of(Path(path), reference)
        return (EMBED, "it is a sentence-transformers model") if has_modules and task == GENERATE else (task, reason)


def _task_of(path: Path, reference: HubId) -> tuple[Task, str]:
    try:
        config = read_object(path)
        named = ", ".join(map(str, config.get("architectures") or ())) or "none"
        ranks = scores_pairs(config) or ranks_by_answering(config, [reference.repo_id])
        is_for = RERANK if ranks else EMBED if is_headless(config) else GENERATE
    except (ValueError, TypeError, KeyError) as error:
        raise FetchError(f"{reference}: its {_CONFIG} {error}; say --task {' or '.join(task_names())}") from error
    return is_for, f"the architecture in its {_CONFIG} is {named}"


def download(
    reference: HubId, task: Task, target: Path, report: Callable[[float, int], None], endpoint: str | None
) -> Selection:
    """Download what the model needs into ``target`` and return what it is; ``report`` must not raise.

    Every file that the hub knows a sha256 of is checked. Raises: FetchError, CacheError, one line that says what to do;
    OSError if the disk is full.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    with explain_errors(reference, task):
        api = HfApi(endpoint=endpoint)
        repository = api.model_info(reference.repo_id, revision=reference.revision, files_metadata=True)
        siblings = {sibling.rfilename: sibling for sibling in repository.siblings or ()}
        is_said_by_names = task == GENERATE and any(name.endswith((".gguf", ".onnx")) for name in siblings)
        model_type = None if is_said_by_names else _model_type(reference, siblings, target, repository.sha, endpoint)
        selection = select_files(list(siblings), reference, task, model_type)
        total = sum(siblings[name].size or 0 for name in selection.files)
        _check_space(target, total, reference)
        with _poll(target, total, report):
            for name in selection.files:
                hf_hub_download(reference.repo_id, name, revision=repository.sha, local_dir=target, endpoint=endpoint)
                _verify(target / name, siblings[name], reference)
    shutil.rmtree(target / ".cache", ignore_errors=True)  # the hub's own bookkeeping
    return selection


def _model_type(
    reference: HubId, names: Collection[str], target: Path, revision: str | None, endpoint: str | None
) -> str | None:
    """Return what config.json calls the model's type, None if it does not say. Raises: FetchError."""
    from huggingface_hub import hf_hub_download

    if "config.json" not in names:
        return None
    path = hf_hub_download(reference.repo_id, "config.json", revision=revision, local_dir=target, endpoint=endpoint)
    try:
        config = read_object(Path(path))
    except ValueError as error:
        raise FetchError(f"{reference}: its config.json {error}") from error
    if isinstance(quantization := config.get("quantization_config"), dict):
        raise FetchError(
            f"{reference}: the weights are quantised for other programs (quantization_config says "
            f"{str(quantization.get('quant_method', 'unknown'))[:40]!r}); take the repository that they were made of"
        )
    return text_config(config).model_type


def _check_space(target: Path, num_bytes: int, reference: HubId) -> None:
    """Refuse what cannot be stored before it is downloaded. Raises: CacheError."""
    if (free := shutil.disk_usage(target).free) < num_bytes:
        raise CacheError(
            f"{reference} takes {num_bytes // 10**6} MB to download and {free // 10**6} MB are free on the disk of the "
            "cache; free some, or set JAN_ORT_CACHE_DIR to a directory on another disk"
        )


def _verify(path: Path, sibling: RepoSibling, reference: HubId) -> None:
    if sibling.lfs:
        verify_sha256(path, sibling.lfs.sha256, str(reference))
    elif sibling.size is not None and (found := path.stat().st_size) != sibling.size:
        raise FetchError(f"{path.name} from {reference} has {found} of {sibling.size} bytes; try again")


@contextmanager
def _poll(target: Path, total_bytes: int, report: Callable[[float, int], None]) -> Iterator[None]:
    """Report the bytes under ``target`` now and then, which needs no hook in a downloader's insides."""
    finished = Event()

    def watch() -> None:
        while not finished.wait(_POLL_S):
            try:
                num_bytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
            except FileNotFoundError:  # renamed while it was looked at
                continue
            report(min(1.0, num_bytes / max(1, total_bytes)), total_bytes)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def _refused(reference: HubId, error: BaseException | None) -> FetchError | None:
    """Return what to do about an answer by which the hub refuses, None for any other error.

    Of a file the client says that it is not in its cache, and has the answer as the error's cause.
    """
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        if (remedy := _REMEDIES.get(status, _TROUBLE if status >= 500 else None)) is not None:
            return FetchError(f"{reference}: the hub has answered {status}: {remedy}")
        error = error.__cause__
    return None


@contextmanager
def explain_errors(reference: HubId, task: Task) -> Iterator[None]:
    """Turn the hub client's many errors into one line that says what to do."""
    from huggingface_hub import errors

    try:
        yield
    except ModelsError:
        raise
    except errors.GatedRepoError as error:
        raise FetchError(
            f"{reference.repo_id} is gated: accept its terms on its page and set HF_TOKEN to a token of your account"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise FetchError(
            f"there is no repository {reference.repo_id} on the hub, or it is private: check the name (a path on this "
            "machine of that name does not exist either), or set HF_TOKEN"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise FetchError(
            f"{reference.repo_id} has no branch, tag or commit {reference.revision!r}: take one that its page lists, "
            "or none for the main branch"
        ) from error
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise
        raise _refused(reference, error) or unreachable(reference, task, str(error) or type(error).__name__) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FetchError(
            f"{reference}: what answers as the hub sends something else ({str(error)[:100]}): check HF_ENDPOINT, or "
            "log in if a proxy or the network's page asks for it"
        ) from error
    except Exception as error:  # the client's HTTP library is its own affair: requests once, httpx today
        raise _refused(reference, error) or unreachable(reference, task, str(error) or type(error).__name__) from error
