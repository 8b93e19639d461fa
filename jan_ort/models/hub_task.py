"""What a Hugging Face repository is for, told by what it holds."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from jan_ort.ground.errors import FetchError
from jan_ort.ground.json_object import read_object, read_object_or_empty, text_in
from jan_ort.models.catalog import Task
from jan_ort.models.folder import MANIFEST, is_headless
from jan_ort.models.reference import HubReference

logger = logging.getLogger(__name__)

_CONFIG = "config.json"
_TASKS: tuple[Task, ...] = ("generate", "embed")


def hub_task(reference: HubReference, cache_dir: Path, *, endpoint: str | None = None) -> Task:
    """Return what the repository is for; one that is in the cache is not asked for again.

    A sentence-transformers model embeds, and so does one whose config.json names no head; any other generates.
    Raises: FetchError, one line that says what to do.
    """
    if reference.file or reference.quantization:
        return "generate"  # a GGUF file, which is read for nothing else
    if (known := cached_task(reference, cache_dir)) is not None:
        return known
    task, reason = _ask(reference, endpoint)
    logger.info("%s is taken for a model to %s: %s (--task says otherwise)", reference, task, reason)
    return task


def cached_task(reference: HubReference, cache_dir: Path) -> Task | None:
    """Return what the repository was fetched for, None if it is not in the cache. Reads the cache only."""
    manifests = (cache_dir / "models").glob(f"[!.]*/{MANIFEST}")
    sources = {text_in(read_object_or_empty(manifest), "source") for manifest in manifests}
    return next((task for task in _TASKS if reference.source(task) in sources), None)


def _ask(reference: HubReference, endpoint: str | None) -> tuple[Task, str]:
    """Return the repository's task, and what tells it."""
    from huggingface_hub import HfApi, hf_hub_download  # imported late: it takes a second
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    from jan_ort.models.fetch_hub import explain_errors

    disable_progress_bars()
    with explain_errors(reference, "generate"), tempfile.TemporaryDirectory() as directory:
        repository = HfApi(endpoint=endpoint).model_info(reference.repo_id)
        names = {sibling.rfilename for sibling in repository.siblings or ()}
        if "modules.json" in names or any(name.startswith("1_Pooling/") for name in names):
            return "embed", "it is a sentence-transformers model"
        if _CONFIG not in names:
            return "generate", f"it has no {_CONFIG} that says otherwise"
        path = hf_hub_download(
            reference.repo_id, _CONFIG, revision=repository.sha, local_dir=directory, endpoint=endpoint
        )
        config = _read(Path(path), reference)
    named = ", ".join(map(str, config.get("architectures") or ())) or "none"
    return "embed" if is_headless(config) else "generate", f"the architecture in its {_CONFIG} is {named}"


def _read(path: Path, reference: HubReference) -> dict[str, Any]:
    try:
        return read_object(path)
    except ValueError as error:
        raise FetchError(f"{reference}: its {_CONFIG} {error}; say --task generate or embed") from error
