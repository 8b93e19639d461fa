"""What tests of several models share: copies of the reference model under other names, and readers of their state."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from jan_ort.models.cache.manifest import CacheKey, write_manifest
from jan_ort_backends.reference_tokenizer import FOLDER
from tests.http.handlers.serving import Client, post

LOAD, UNLOAD = "/models/load", "/models/unload"


def copied(directory: Path, name: str, *, task: str = "generate") -> str:
    """Copy the reference model's folder, and return it as a setting names it."""
    folder = directory / name
    shutil.copytree(FOLDER, folder)
    stated = json.loads((folder / "jan_ort.json").read_bytes())
    (folder / "jan_ort.json").write_text(json.dumps(stated | {"name": name, "task": task}))
    return str(folder)


def cached(cache_dir: Path, name: str, *, task: str = "generate") -> Path:
    """Put a copy of the reference model into a cache, and return its folder."""
    key = CacheKey(name, "0" * 64, "int8")
    folder = Path(copied(cache_dir / "models", key.folder_name, task=task))
    write_manifest(folder, key)
    return folder


async def listed(client: Client) -> dict[str, dict[str, Any]]:
    """Return the metadata of each model of the list, by its id."""
    response = await client.get("/v1/models")
    return {model["id"]: model["metadata"] for model in (await response.get_json())["data"]}


async def statuses(client: Client) -> dict[str, str]:
    return {name: metadata["status"] for name, metadata in (await listed(client)).items()}


async def change(client: Client, path: str, name: str | None = None) -> dict[str, str]:
    """Load or unload, and return the status of each model that was meant."""
    status, answer = await post(client, path, {} if name is None else {"model": name})
    assert status == 200, answer
    assert answer["success"] is True
    return {model["id"]: model["metadata"]["status"] for model in answer["data"]}
