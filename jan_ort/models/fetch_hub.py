"""Fetch a model from a Hugging Face repository: one GGUF file, or the few files that a model folder needs."""

from __future__ import annotations

import errno
import fnmatch
import logging
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Literal

from jan_ort.convert.architectures import encoders
from jan_ort.ground.errors import CacheError, FetchError, ModelsError
from jan_ort.ground.json_object import read_object
from jan_ort.ground.progress import Progress
from jan_ort.ground.task import Task
from jan_ort.models.fetch import offline_remedies, verify_sha256
from jan_ort.models.reference import HubReference
from jan_ort_backends.graph_names import first_graph

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

logger = logging.getLogger(__name__)

Kind = Literal["gguf", "sentence-transformers", "onnx"]

# The types that are taken where none is asked for, the most exact for its size first; conversion reads more.
_GGUF_TYPES = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "BF16", "F16", "F32")

_SMALL_FILES = ("*.json", "*.jinja", "*.model", "vocab.txt", "merges.txt", "1_Pooling/config.json")
_POLL_S = 0.25
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of a repository that are fetched, and what they are together."""

    kind: Kind
    files: tuple[str, ...]


def select_files(names: Sequence[str], reference: HubReference, task: Task, model_type: str | None = None) -> Selection:
    """Choose the files that the model needs from ``names``, all those of the repository.

    To generate: the GGUF file that was asked for, else the best that can be converted, else an ONNX model. To embed:
    a sentence-transformers model if its ``model_type`` (config.json's, None where it is not known) can be converted,
    else an ONNX model. Raises: FetchError that says what there is to choose from.
    """
    names = [name for name in names if ".." not in name.split("/")]
    if task == "generate" and (ggufs := [name for name in names if name.endswith(".gguf")]):
        return Selection("gguf", (_select_gguf(ggufs, reference),))
    if reference.file or reference.quantization:
        raise FetchError(f"{reference}: the repository has no GGUF file that can be used to {task}")
    small = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in _SMALL_FILES)]
    small = [name for name in small if name.rpartition("/")[0] in ("", "1_Pooling", "additional_chat_templates")]
    is_sentence_transformer = task == "embed" and {"modules.json", "model.safetensors"} <= set(names)
    if is_sentence_transformer and model_type in (None, *encoders()):
        return Selection("sentence-transformers", (*small, "model.safetensors"))
    if (graph := first_graph(names)) is not None:
        # With external data: model.onnx.data, model.onnx_data, model.onnx_data_1 ...
        return Selection("onnx", (*small, *(name for name in names if name.startswith(graph))))
    if is_sentence_transformer:
        raise FetchError(
            f"{reference}: the repository has no ONNX model, and one of the type {model_type!r} is not converted "
            f"(only {', '.join(encoders())}): export it, 'jan-ort models export {reference} --task embed'"
        )
    raise FetchError(
        f"{reference}: the repository has no model that can be used to {task}; needed is a .gguf file, a model.onnx "
        "or, for embeddings, a sentence-transformers model with model.safetensors"
    )


def _select_gguf(ggufs: Sequence[str], reference: HubReference) -> str:
    if reference.file:
        if reference.file in ggufs:
            return reference.file
        raise FetchError(f"{reference}: no such file; the repository has {', '.join(ggufs)}")
    wanted = (reference.quantization,) if reference.quantization else _GGUF_TYPES
    for quantization in wanted:
        for name in ggufs:
            stem = name.rpartition("/")[2].removesuffix(".gguf").upper()
            if stem.endswith((f".{quantization}".upper(), f"-{quantization}".upper(), f"_{quantization}".upper())):
                return name
    raise FetchError(
        f"{reference}: no GGUF file of the type {' or '.join(wanted)}; the repository has {', '.join(ggufs)}"
    )


def fetch_hub(
    reference: HubReference, task: Task, target: Path, progress: Progress, *, endpoint: str | None = None
) -> Selection:
    """Download what the model needs into the existing, empty directory ``target``; return what it is.

    The user's own HF_ENDPOINT, HF_TOKEN and proxies apply; ``endpoint`` overrides the first. Every file that the hub
    knows a sha256 of is checked. Raises: FetchError, one line that says what to do; OSError if the disk is full.
    """
    from huggingface_hub import HfApi, hf_hub_download  # imported late: it takes a second
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    stage = f"Downloading {reference}"
    progress(stage, 0.0)
    with explain_errors(reference, task):
        repository = HfApi(endpoint=endpoint).model_info(reference.repo_id, files_metadata=True)
        siblings = {sibling.rfilename: sibling for sibling in repository.siblings or ()}
        model_type = _model_type(reference, siblings, target, repository.sha, endpoint) if task == "embed" else None
        selection = select_files(list(siblings), reference, task, model_type)
        total = sum(siblings[name].size or 0 for name in selection.files)
        _check_space(target, total, reference)
        with _poll(target, total, stage, progress):
            for name in selection.files:
                hf_hub_download(reference.repo_id, name, revision=repository.sha, local_dir=target, endpoint=endpoint)
                _verify(target / name, siblings[name], reference)
    shutil.rmtree(target / ".cache", ignore_errors=True)  # the hub's own bookkeeping
    progress(stage, 1.0)
    return selection


def _model_type(
    reference: HubReference, names: Collection[str], target: Path, revision: str | None, endpoint: str | None
) -> str | None:
    """Return what config.json calls the model's type, None if it does not say."""
    from huggingface_hub import hf_hub_download

    if "config.json" not in names:
        return None
    path = hf_hub_download(reference.repo_id, "config.json", revision=revision, local_dir=target, endpoint=endpoint)
    try:
        stated = read_object(Path(path)).get("model_type")
    except ValueError as error:
        raise FetchError(f"{reference}: its config.json {error}") from error
    return stated if isinstance(stated, str) else None


def _check_space(target: Path, num_bytes: int, reference: HubReference) -> None:
    """Refuse what cannot be stored before it is downloaded. Raises: CacheError."""
    if (free := shutil.disk_usage(target).free) < num_bytes:
        raise CacheError(
            f"{reference} takes {num_bytes // 10**6} MB to download and {free // 10**6} MB are free on the disk of the "
            "cache; free some, or set JAN_ORT_CACHE_DIR to a directory on another disk"
        )


def _verify(path: Path, sibling: RepoSibling, reference: HubReference) -> None:
    if sibling.lfs:
        verify_sha256(path, sibling.lfs.sha256, str(reference))
    elif sibling.size is not None and (found := path.stat().st_size) != sibling.size:
        raise FetchError(f"{path.name} from {reference} has {found} of {sibling.size} bytes; try again")


@contextmanager
def _poll(target: Path, total_bytes: int, stage: str, progress: Progress) -> Iterator[None]:
    """Report the bytes under ``target`` now and then, which needs no hook in a downloader's insides."""
    finished = Event()

    def watch() -> None:
        while not finished.wait(_POLL_S):
            try:
                num_bytes = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
            except FileNotFoundError:  # renamed while it was looked at
                continue
            progress(stage, min(1.0, num_bytes / max(1, total_bytes)))

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


@contextmanager
def explain_errors(reference: HubReference, task: Task) -> Iterator[None]:
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
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise
        raise _unreachable(reference, task, error) from error
    except Exception as error:  # the client's HTTP library is its own affair: requests once, httpx today
        raise _unreachable(reference, task, error) from error


def _unreachable(reference: HubReference, task: Task, error: Exception) -> FetchError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return FetchError(f"{reference} could not be downloaded from the hub ({reason}). {offline_remedies(task)}")
