"""Looking for models on the hub: what it finds, and what of that can be served."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from jan_ort.convert.architectures import hf_layouts
from jan_ort.convert.inputs.hf_wrapper import WRAPPERS
from jan_ort.ground.model_errors import FetchError

_MAX_LOOKED_AT = 200
_TEXT = ("text-generation", "image-text-to-text", "any-to-any", "text2text-generation", "conversational")
_EMBEDDING = ("feature-extraction", "sentence-similarity")
_NO_MODELS = ("lora", "adapter", "peft", "gptq", "awq", "bitsandbytes", "compressed-tensors", "fp8", "mlx", "exl2")


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A repository: its formats that can be served, of what task as far as it says, and how often it was fetched."""

    hub_id: str
    formats: tuple[str, ...]
    task: str
    downloads: int
    is_gated: bool


def search_hub(words: str, limit: int, *, endpoint: str | None = None) -> list[FoundModel]:
    """Return the repositories that can be served, the most fetched first. Raises: FetchError."""
    from huggingface_hub import HfApi

    try:
        found = HfApi(endpoint=endpoint).list_models(search=words, sort="downloads", limit=_MAX_LOOKED_AT)
        return list(islice(_servable(found), limit))
    except Exception as error:  # the client's HTTP library is its own affair: requests once, httpx today
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise FetchError(
            f"the hub could not be asked for models ({reason}). Connect to the network, or set HF_ENDPOINT to a hub "
            "that can be reached; 'jan-ort models recommend' needs no network"
        ) from error


def _servable(found: Iterable[object]) -> Iterator[FoundModel]:
    for each in found:
        tags = tuple(map(str, getattr(each, "tags", None) or ()))
        pipeline = str(getattr(each, "pipeline_tag", None) or "")
        task = "generate" if pipeline in _TEXT else "embed" if pipeline in _EMBEDDING else "?" if not pipeline else ""
        if (formats := served_formats(tags)) and task:
            hub_id, downloads = str(getattr(each, "id", "")), getattr(each, "downloads", None) or 0
            yield FoundModel(hub_id, formats, task, int(downloads), bool(getattr(each, "gated", None)))


def served_formats(tags: Collection[str]) -> tuple[str, ...]:
    """Return which of a repository's formats can be served; its tags name them, and the architecture."""
    if not {tag.lower() for tag in tags}.isdisjoint(_NO_MODELS):
        return ()
    formats = [name for name in ("gguf", "onnx") if name in tags]
    is_read = "sentence-transformers" in tags or not (WRAPPERS | hf_layouts().keys()).isdisjoint(tags)
    return (*formats, "safetensors") if "safetensors" in tags and is_read else tuple(formats)
