"""What Ollama's API tells of models: their list, those that are loaded, and one in detail."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from jan_ort.http.ollama.wire import timestamp
from jan_ort.serving.generative import GenerativeModel
from jan_ort.serving.resident import Resident
from jan_ort.serving.served_tasks import served_task
from jan_ort.settings.schema import Settings

_NEVER = "9999-12-31T23:59:59Z"


def listed(resident: Resident) -> dict[str, Any]:
    """Return a model's entry in the list."""
    model, found = resident.model, resident.found
    return {
        "name": resident.name,
        "model": resident.name,
        "modified_at": timestamp(resident.created),
        "size": 0 if found is None else _size(found.folder.path),
        "digest": (model.weights_hash or "") if model is not None else "",
        "details": _details(resident),
    }


def loaded(resident: Resident, settings: Settings) -> dict[str, Any]:
    """Return the entry of a model that is loaded; ``expires_at`` is when it would leave if nobody asked again."""
    assert resident.model is not None, "asked for loaded ones only"
    ttl_s = settings.model_ttl_s
    return listed(resident) | {
        "expires_at": timestamp(time.time() + ttl_s) if ttl_s else _NEVER,
        "size_vram": 0,
        "context_length": resident.model.context_length,
    }


def shown(residents: list[Resident]) -> dict[str, Any]:
    """Return what is told of the models of one name."""
    first = residents[0]
    folder = None if first.found is None else first.found.folder
    context_length = first.model.context_length if first.model is not None else folder and folder.context_length
    return {
        "modelfile": "",
        "parameters": "",
        "template": (folder.chat_template or "") if folder is not None else "",
        "details": _details(first),
        "model_info": {"general.architecture": "onnx", "onnx.context_length": context_length},
        "capabilities": list(dict.fromkeys(ability for each in residents for ability in _abilities(each))),
        "modified_at": timestamp(first.created),
    }


def _abilities(resident: Resident) -> list[str]:
    folder = None if resident.found is None else resident.found.folder
    able = [each for each in served_task(resident.choice.task).abilities(folder, resident.model) if each != "chat"]
    model = resident.model
    thinks = isinstance(model, GenerativeModel) and model.template is not None and model.thoughts is not None
    return [*able, "thinking"] if thinks else able


def _details(resident: Resident) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "" if resident.found is None else resident.found.backend.name,
        "family": "",
        "families": [],
        "parameter_size": "",
        "quantization_level": "",
    }


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.iterdir() if each.is_file()) if folder.is_dir() else 0
