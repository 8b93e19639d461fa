"""What is wanted of a Hugging Face repository, and which of its files that takes, told by their names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jan_ort.convert.architectures import encoders, hf_layouts
from jan_ort.convert.inputs.gguf_parts import mmproj_files
from jan_ort.convert.inputs.yes_or_no import ANSWERING
from jan_ort.ground.model_errors import FetchError
from jan_ort.ground.task import EMBED, GENERATE, RERANK, Task
from jan_ort.models.sources.download import offline_remedies
from jan_ort.models.sources.hub_packages import choose_package, files_in, find_packages
from jan_ort_backends.graph_names import first_graph, has_image_parts, image_graphs
from jan_ort_backends.small_files import leaves_folder

Kind = Literal["gguf", "sentence-transformers", "onnx", "safetensors"]

# The types that are taken where none is asked for, the most exact for its size first; conversion reads more.
_GGUF_TYPES = (
    *("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q5_1", "Q5_0", "Q4_1", "Q4_0", "BF16", "F16", "F32"),
    *("Q5_K_S", "Q4_K_S", "MXFP4", "IQ4_NL", "IQ4_XS", "Q3_K_L", "Q3_K_M", "Q3_K_S"),
)
_PART = re.compile(r"-\d{5}-of-(?P<count>\d{5})$")
_NO_MODELS = ("mmproj", "imatrix")

_SMALL_FILES = ("*.json", "*.jinja", "*.model", "vocab.txt", "merges.txt", "1_Pooling/config.json")
_MODULES = re.compile(r"\d_(Dense/(config\.json|model\.safetensors)|LogitScore/config\.json)")
_TEXT_TASKS = (EMBED, RERANK)
_WEIGHTS = "model*.safetensors"  # not those of other programs: consolidated.safetensors, original/


@dataclass(frozen=True, slots=True)
class HubId:
    """A repository, with the GGUF ``file`` or ``quantization`` that is wanted, where it was said.

    ``revision`` is a branch, a tag or a commit, None for the main branch; ``folder`` is the one whose page was named.
    """

    repo_id: str
    file: str | None = None
    quantization: str | None = None
    revision: str | None = None
    folder: str | None = None

    def __str__(self) -> str:
        suffix = f"/{self.file}" if self.file else f":{self.quantization}" if self.quantization else ""
        if self.folder:
            return f"hf.co/{self.repo_id}/tree/{self.revision or 'main'}/{self.folder}"
        if self.revision is None:
            return self.repo_id + suffix
        return f"hf.co/{self.repo_id}/{'blob' if self.file else 'tree'}/{self.revision}{suffix}"


@dataclass(frozen=True, slots=True)
class Selection:
    """The files of a repository that are fetched, and what they are together; all of them may lie in a ``folder``."""

    kind: Kind
    files: tuple[str, ...]
    folder: str = ""


def select_files(names: Sequence[str], reference: HubId, task: Task, model_type: str | None = None) -> Selection:
    """Choose the files that the model needs from ``names``, all those of the repository.

    To generate: the GGUF file that was asked for, else the best that can be converted, else an ONNX model, else the
    safetensors weights. To embed: the GGUF file that was asked for, else a sentence-transformers model, else an ONNX
    model. Weights that are to be converted
    must be of a ``model_type`` (config.json's, None where it is not known) that can be.
    Raises: FetchError that says what there is to choose from.
    """
    names = [name for name in names if not leaves_folder(name)]
    is_named = reference.file or reference.quantization
    ggufs = [name for name in names if name.endswith(".gguf")]
    if ggufs and (task == GENERATE or (task in _TEXT_TASKS and is_named)):
        mmproj = mmproj_files(ggufs)[:1] if task == GENERATE else []
        return Selection("gguf", (*_select_gguf(ggufs, reference), *mmproj))
    if is_named:
        raise FetchError(f"{reference}: the repository has no GGUF file that can be used to {task}")
    small = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in _SMALL_FILES)]
    small = [name for name in small if name.rpartition("/")[0] in ("", "1_Pooling", "additional_chat_templates")]
    small += filter(_MODULES.fullmatch, names)
    weights = [name for name in names if _is_weights(name)]
    if task in _TEXT_TASKS and weights and _reads(names, model_type, task):
        return Selection("sentence-transformers", (*small, *_with_all_parts(reference, weights)))
    if task == GENERATE and has_image_parts(names):
        return Selection("onnx", (*small, *_image_files(reference, names)))
    if task == GENERATE and (packages := find_packages(names)) and (reference.folder or first_graph(names) is None):
        return _package(reference, packages, names)
    if (graph := first_graph(names)) is not None:
        # With external data: model.onnx.data, model.onnx_data, model.onnx_data_1 ...
        return Selection("onnx", (*small, *(name for name in names if name.startswith(graph))))
    generates = task == GENERATE and "modules.json" not in names  # as of a folder on this machine
    if generates and weights:
        return Selection("safetensors", _checkpoint(reference, names, small, weights, model_type))
    if task == GENERATE and "adapter_config.json" in names:
        raise FetchError(
            f"{reference} is a LoRA adapter, not a model: merge it with its model (peft's merge_and_unload), and serve "
            "the merged one"
        )
    if task in _TEXT_TASKS and weights:
        raise FetchError(
            f"{reference}: the repository has no ONNX model, and one of the type {model_type!r} is not converted "
            f"(only {', '.join(encoders())}): export it, 'jan-ort models export {reference} --task {task}'"
        )
    raise FetchError(
        f"{reference}: the repository has no model that can be used to {task}; it needs a .gguf file, a model.onnx "
        "or model.safetensors; for embeddings with it, a sentence-transformers model"
    )


def _package(reference: HubId, packages: Sequence[str], names: Sequence[str]) -> Selection:
    """Return the files of the package that is wanted, or made for CPUs. Raises: FetchError listing all."""
    folder = choose_package(packages, reference.folder)
    if folder is None:
        raise FetchError(
            f"{reference}: the repository has packages for several devices, and none is for CPUs: name the one to "
            f"take, hf.co/{reference.repo_id}/tree/{reference.revision or 'main'}/FOLDER with one of "
            f"{', '.join(packages)}"
        )
    return Selection("onnx", tuple(files_in(folder, names)), folder)


def _image_files(reference: HubId, names: Sequence[str]) -> list[str]:
    """Return the three graphs of a model that reads images, with their weights. Raises: FetchError."""
    try:
        graphs = image_graphs(names)
    except LookupError as error:
        raise FetchError(f"{reference} reads images, but {error.args[0]}") from error
    needed = [("config.json",), ("tokenizer.json",), ("preprocessor_config.json", "processor_config.json")]
    if missing := [either[0] for either in needed if not set(either) & set(names)]:
        raise FetchError(f"{reference} reads images, and has no {' and no '.join(missing)}; take another repository")
    return [name for graph in graphs.values() for name in names if name.startswith(graph)]


def _is_weights(name: str) -> bool:
    return "/" not in name and fnmatch.fnmatchcase(name, _WEIGHTS)


def _reads(names: Sequence[str], model_type: str | None, task: Task) -> bool:
    """Say whether safetensors weights are of a model that can be converted for this: a decoder is one of few."""
    if task == RERANK:
        return model_type in (*encoders(), ANSWERING)
    return model_type in encoders() or ("modules.json" in names and model_type in (None, *hf_layouts()))


def _checkpoint(
    reference: HubId, names: Sequence[str], small: Sequence[str], weights: Sequence[str], model_type: str | None
) -> tuple[str, ...]:
    """Return the files of a checkpoint, if its architecture can be converted. Raises: FetchError."""
    if model_type not in (None, *hf_layouts()):
        raise FetchError(
            f"{reference}: architecture {model_type!r} is not supported; supported: {', '.join(hf_layouts())}; take an "
            "ONNX repository of the model, or one with GGUF files and --backend llama_cpp --weights as-is"
        )
    if "tokenizer.json" not in names:
        raise FetchError(
            f"{reference} has no tokenizer.json, and no other kind of tokenizer is supported; use another model"
        )
    return (*small, *_with_all_parts(reference, weights))


def _select_gguf(ggufs: Sequence[str], reference: HubId) -> tuple[str, ...]:
    """Return the file that is wanted, or all its parts."""
    if reference.file:
        if reference.file in ggufs:
            return _parts_of(reference, reference.file, ggufs)
        raise FetchError(f"{reference}: no such file; the repository has {', '.join(ggufs)}")
    wanted = (reference.quantization,) if reference.quantization else _GGUF_TYPES
    models = [name for name in ggufs if not any(mark in name.rpartition("/")[2].lower() for mark in _NO_MODELS)]
    for quantization in wanted:
        for name in models:
            stem = _PART.sub("", name.rpartition("/")[2].removesuffix(".gguf")).upper()
            if stem.endswith((f".{quantization}".upper(), f"-{quantization}".upper(), f"_{quantization}".upper())):
                return _parts_of(reference, name, ggufs)
    raise FetchError(
        f"{reference}: no GGUF file of the type {' or '.join(wanted)}; the repository has {', '.join(ggufs)}"
    )


def _with_all_parts(reference: HubId, names: Sequence[str]) -> tuple[str, ...]:
    """Return the files, of which none lacks another part. Raises: FetchError naming one, before gigabytes come."""
    return tuple(dict.fromkeys(part for name in names for part in _parts_of(reference, name, names)))


def _parts_of(reference: HubId, name: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return all parts of a file, the first one first. Raises: FetchError naming those that are not among ``names``."""
    stem, dot, suffix = name.rpartition(".")
    found = _PART.search(stem)
    if found is None:
        return (name,)
    whole, count = stem[: found.start()], found["count"]
    parts = tuple(f"{whole}-{number:05}-of-{count}{dot}{suffix}" for number in range(1, int(count) + 1))
    if missing := sorted(set(parts) - set(names)):
        raise FetchError(
            f"{reference}: the repository lacks {missing[0]}, one of {int(count)} parts of the model; take another one"
        )
    return parts


def unreachable(reference: HubId, task: Task, reason: str) -> FetchError:
    """Return the error of a download that failed for a reason that is not ours to mend."""
    shown = " ".join(reason.split())[:200]
    return FetchError(f"{reference} could not be downloaded from the hub ({shown}). {offline_remedies(task)}")
