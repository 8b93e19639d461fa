"""A model folder: what its configuration files say, read without loading the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.ground.task import Task
from jan_ort.models.folder_files import CONFIGURATIONS, FolderFiles, how_to_mend
from jan_ort.models.recommended_sampling import recommended_sampling


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What the server must know of a model beside its weights.

    ``context_length`` counts tokens; ``eos_token_ids`` is sorted and may be empty; ``add_bos`` says whether a prompt
    begins with ``bos_token_id``; ``chat_template`` is Jinja source, and ``tool_use_template`` that of a template of its
    own for conversations with tools, which few models have. ``vector_lengths`` are those that vectors may be cut to, ()
    for any, and None for none. ``prompts`` are put before texts, by name, and ``default_prompt`` where none is named.
    ``score_activation`` is what a pair's score goes through, "sigmoid" or "identity"; ``pair_template`` is a text
    with ``{query}`` and ``{document}`` where a pair stands, None where the tokenizer puts pairs together.
    ``backend_tokenizes``: there is no tokenizer.json, and the backend cuts texts by itself. ``sampling`` is how the
    model's makers sample from it: fields of a chat, as far as its files say so.
    """

    path: Path
    name: str
    task: Task
    context_length: int
    eos_token_ids: tuple[int, ...]
    bos_token_id: int | None
    add_bos: bool
    chat_template: str | None
    tool_use_template: str | None = None
    vector_lengths: tuple[int, ...] | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str = ""
    score_activation: str = "sigmoid"
    pair_template: str | None = None
    backend_tokenizes: bool = False
    sampling: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the folder's small files. Raises: ModelFolderError that lists what is missing or names what is wrong."""
        if not path.is_dir():
            raise ModelFolderError(f"the model folder {path} does not exist")
        with _explained(path):
            backend_tokenizes = FolderFiles(path).backend_tokenizes()
        missing = [] if backend_tokenizes or (path / "tokenizer.json").exists() else ["tokenizer.json"]
        if not any((path / name).exists() for name in CONFIGURATIONS) and not _has_graph(path):
            missing.append(" or ".join(CONFIGURATIONS))
        if missing:
            raise ModelFolderError(f"{path} is not a model folder: it lacks {', '.join(missing)}")
        with _explained(path):
            return cls._from_files(path, FolderFiles(path))

    @classmethod
    def _from_files(cls, path: Path, files: FolderFiles) -> Self:
        bos_token_id = files.bos_token_id()
        return cls(
            path=path,
            name=files.name(),
            task=files.task(),
            context_length=files.context_length(),
            eos_token_ids=files.eos_token_ids(),
            bos_token_id=bos_token_id,
            add_bos=bos_token_id is not None and files.add_bos(bos_token_id),
            chat_template=files.chat_template(),
            tool_use_template=files.tool_use_template(),
            vector_lengths=files.vector_lengths(),
            prompts=files.prompts(),
            default_prompt=files.default_prompt(),
            score_activation=files.score_activation(),
            pair_template=files.pair_template(),
            backend_tokenizes=files.backend_tokenizes(),
            sampling=recommended_sampling(files.generation),
        )


def read_task(path: Path) -> Task:
    """Return what the model of a folder is for, without reading more than tells it. Raises: ModelFolderError."""
    with _explained(path):
        return FolderFiles(path).task()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"a configuration file in {path} is malformed ({type(error).__name__}: {error}); {how_to_mend(path)}"
        ) from error


def _has_graph(path: Path) -> bool:
    return any(path.glob("*.onnx")) or any(path.glob("onnx/*.onnx"))
