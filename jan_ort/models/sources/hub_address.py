"""How people name a repository of the hub: its id, perhaps with a file or a quantization, or an address of a page."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qs, unquote

from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.models.sources.hub_files import HubId

_HOST = re.compile(
    r"(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.co)/(?P<path>[^?#]+)(?:\?(?P<query>[^#]*))?(?:#.*)?", re.IGNORECASE
)
_URL = re.compile(r"https?://", re.IGNORECASE)
_REPO = r"(?P<repo>[\w][\w.-]*/[\w][\w.-]*)"
_ID = re.compile(rf"{_REPO}(?:/(?P<file>[^:]+\.gguf)|:(?P<quantization>[\w.-]+))?")
_PAGE = re.compile(
    rf"{_REPO}/(?P<kind>blob|resolve|raw|tree)/(?P<revision>[\w.-]+)(?:/(?P<path>[^:]*?))?/?(?::(?P<quantization>[\w.-]+))?"
)
_QUANTIZATION = re.compile(r"(?:UD-)?(?:I?Q\d|TQ\d|BF16|F16|F32|MXFP4)\w*", re.IGNORECASE)
_ANY = "latest"
"""What other programs write where no quantization is asked for."""

_OTHERS = ("datasets", "spaces", "models", "collections", "docs", "papers")


def parse_hub_id(text: str) -> HubId | None:
    """Return what a text names, None if it is neither an id nor an address.

    Raises: ModelReferenceError for an address of another host, or of no repository.
    """
    address = _HOST.fullmatch(text)
    if address is None:
        if _URL.match(text):
            raise ModelReferenceError(
                f"{text!r} is not an address of the Hugging Face hub (https://huggingface.co/org/name): download the "
                "model, and name its file or folder"
            )
        return _id_of(text)
    path = unquote(address["path"]).strip("/")
    if "@" in path:
        return None  # a provider follows, and what stands before it is asked for again
    found = _page_of(path) or _id_of(path)
    if found is None or found.repo_id.partition("/")[0] in _OTHERS:
        raise ModelReferenceError(f"{text!r} is not the address of a model; one is https://huggingface.co/org/name")
    return _with_shown_file(found, address["query"] or "")


def _with_shown_file(found: HubId, query: str) -> HubId:
    """Return the file whose description a page shows beside its repository."""
    shown = parse_qs(query).get("show_file_info", [""])[0]
    return replace(found, file=shown, quantization=None) if found.file is None and shown.endswith(".gguf") else found


def _id_of(text: str) -> HubId | None:
    match = _ID.fullmatch(text)
    if match is None or match["repo"].endswith((".gguf", ".onnx")):
        return None
    quantization = None if match["quantization"] == _ANY else match["quantization"]
    return HubId(match["repo"], match["file"], quantization)


def _page_of(path: str) -> HubId | None:
    """Return what a page of a repository shows: a GGUF file, a folder of a quantization's parts, or all of it."""
    match = _PAGE.fullmatch(path)
    if match is None:
        return None
    inside, quantization = match["path"] or "", match["quantization"]
    file = inside if inside.endswith(".gguf") and match["kind"] != "tree" else None
    last = inside.rpartition("/")[2]
    if match["kind"] == "tree" and quantization is None and _QUANTIZATION.fullmatch(last):
        quantization = last
    revision = None if match["revision"] == "main" else match["revision"]
    is_folder = match["kind"] == "tree" and quantization is None and inside not in ("", "onnx")
    return HubId(match["repo"], file, None if file else quantization, revision, inside if is_folder else None)
