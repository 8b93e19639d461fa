"""A model folder: what its configuration files say, read without loading the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from jan_ort.ground.json_object import read_object
from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.ground.task import EMBED, GENERATE, Task, find_task, task_names
from jan_ort_backends.context_length import BARE_CONTEXT_LENGTH, stated_context_length

MANIFEST = "jan_ort_manifest.json"
"""What every folder of the cache has, and no other: models/cache/manifest.py writes it."""

_CONFIGURATIONS = ("jan_ort.json", "config.json", "genai_config.json")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What the server must know of a model beside its weights.

    ``context_length`` counts tokens; ``eos_token_ids`` is sorted and may be empty; ``add_bos`` says whether a prompt
    begins with ``bos_token_id``; ``chat_template`` is Jinja source, and ``tool_use_template`` that of a template of its
    own for conversations with tools, which few models have.
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

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the folder's small files. Raises: ModelFolderError that lists what is missing or names what is wrong."""
        if not path.is_dir():
            raise ModelFolderError(f"the model folder {path} does not exist")
        missing = [] if (path / "tokenizer.json").exists() else ["tokenizer.json"]
        if not any((path / name).exists() for name in _CONFIGURATIONS) and not _has_graph(path):
            missing.append(" or ".join(_CONFIGURATIONS))
        if missing:
            raise ModelFolderError(f"{path} is no model folder: it lacks {', '.join(missing)}")
        with _explained(path):
            return cls._from_files(path, _Files(path))

    @classmethod
    def _from_files(cls, path: Path, files: _Files) -> Self:
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
        )


def read_task(path: Path) -> Task:
    """Return what the model of a folder is for, without reading more than tells it. Raises: ModelFolderError."""
    with _explained(path):
        return _Files(path).task()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"a configuration file in {path} is not made as it has to be ({type(error).__name__}: {error}); "
            f"{how_to_mend(path)}"
        ) from error


def how_to_mend(folder: Path) -> str:
    """Return what to do about a folder with a damaged file: one of the cache is made again."""
    if (folder / MANIFEST).is_file():
        return f"remove it, and it is made again when it is needed: jan-ort models remove {folder.name}"
    return "get it again from where the model is from"


def is_headless(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of a model without a head, which can do no more than embed."""
    architecture = str((config.get("architectures") or [""])[0])
    return architecture.endswith("Model") and not architecture.endswith("LMHeadModel")


def _has_graph(path: Path) -> bool:
    return any(path.glob("*.onnx")) or any(path.glob("onnx/*.onnx"))


class _Files:
    """The files of a folder, each parsed when it is first needed; one that is not there counts as empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def ours(self) -> dict[str, Any]:
        return self._read("jan_ort.json")

    @cached_property
    def config(self) -> dict[str, Any]:
        return self._read("config.json")

    @cached_property
    def generation(self) -> dict[str, Any]:
        return self._read("generation_config.json")

    @cached_property
    def genai(self) -> dict[str, Any]:
        model: dict[str, Any] = self._read("genai_config.json").get("model", {})
        return model

    @cached_property
    def tokenizer_config(self) -> dict[str, Any]:
        return self._read("tokenizer_config.json")

    @cached_property
    def tokenizer(self) -> dict[str, Any]:
        """The one large file: megabytes, which take tens of milliseconds."""
        return self._read("tokenizer.json")

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / name
        if not path.exists():
            return {}
        try:
            return read_object(path)
        except ValueError as error:
            raise ModelFolderError(f"{path} {error}; {how_to_mend(self.path)}") from error

    def name(self) -> str:
        stated = self.ours.get("name")
        if not isinstance(stated, str | None):
            raise ModelFolderError(f"{self.path / 'jan_ort.json'}: name is {stated!r}; needed is a text")
        return stated or self.path.resolve().name

    def task(self) -> Task:
        stated = self.ours.get("task")
        if stated is None:
            embeds = (self.path / "modules.json").exists() or (self.path / "1_Pooling").is_dir()
            return EMBED if embeds or is_headless(self.config) else GENERATE
        if (task := find_task(stated)) is None:
            known = ", ".join(task_names())
            raise ModelFolderError(f"{self.path / 'jan_ort.json'}: task {stated!r} is unknown; known: {known}")
        return task

    def context_length(self) -> int:
        stated = self.ours.get("context_length")
        if type(stated) is int and stated > 0:
            return stated
        length = stated_context_length(
            config=self.config,
            genai_model=self.genai,
            sentence_bert=self._read("sentence_bert_config.json"),
            tokenizer_config=self.tokenizer_config,
            embeds=self.task() == EMBED,
        )
        if length is None and not any((self.path / name).exists() for name in _CONFIGURATIONS):
            return BARE_CONTEXT_LENGTH[self.task().name]
        if length is None:
            raise ModelFolderError(
                f"{self.path} does not say its context length; add max_position_embeddings to config.json"
            )
        return length

    def eos_token_ids(self) -> tuple[int, ...]:
        """Return the union of all that the files call the end of a sequence."""
        token_ids: set[int] = set()
        for config in (self.generation, self.config, self.genai):
            stated = config.get("eos_token_id")
            listed = stated if isinstance(stated, list) else [] if stated is None else [stated]
            if not all(isinstance(token_id, int) for token_id in listed):
                raise ModelFolderError(f"{self.path} says that eos_token_id is {stated!r}; needed is a token's number")
            token_ids.update(listed)
        token_id = self._token_id("eos_token")
        return tuple(sorted(token_ids | ({token_id} if token_id is not None else set())))

    def bos_token_id(self) -> int | None:
        stated = [
            self._token_id("bos_token"),
            *(c.get("bos_token_id") for c in (self.generation, self.config, self.genai)),
        ]
        return next((token_id for token_id in stated if isinstance(token_id, int)), None)

    def add_bos(self, bos_token_id: int) -> bool:
        """Return what tokenizer_config.json says, else whether the tokenizer's own template begins with the token."""
        if isinstance(stated := self.tokenizer_config.get("add_bos_token"), bool):
            return stated
        processor = self.tokenizer.get("post_processor") or {}
        processors = processor.get("processors", [processor])
        templates = [p for p in processors if p.get("type") == "TemplateProcessing" and p.get("single")]
        first = [p["special_tokens"].get(p["single"][0].get("SpecialToken", {}).get("id"), {}) for p in templates]
        return any(bos_token_id in token.get("ids", ()) for token in first)

    def chat_template(self) -> str | None:
        path = self.path / "chat_template.jinja"
        if path.exists():
            return path.read_text(encoding="utf-8")
        for config in (self.tokenizer_config, self._read("chat_template.json")):
            template = config.get("chat_template")
            if isinstance(template, list):  # several, each with a name
                named = {entry["name"]: entry["template"] for entry in template}
                template = named.get("default", next(iter(named.values()), None))
            if template:
                return str(template)
        return None

    def tool_use_template(self) -> str | None:
        """Return the template that transformers takes, by this name, as soon as there are tools."""
        path = self.path / "additional_chat_templates" / "tool_use.jinja"
        if path.exists():
            return path.read_text(encoding="utf-8")
        several = self.tokenizer_config.get("chat_template")
        if (self.path / "chat_template.jinja").exists() or not isinstance(several, list):
            return None
        return next((str(entry["template"]) for entry in several if entry["name"] == "tool_use"), None)

    def _token_id(self, key: str) -> int | None:
        """Return the id of a token that tokenizer_config.json names: a text, or an object with its content."""
        token = self.tokenizer_config.get(key)
        content = token.get("content") if isinstance(token, dict) else token
        if content is None:
            return None
        for added in self.tokenizer.get("added_tokens", ()):
            if added.get("content") == content:
                return int(added["id"])
        vocabulary = (self.tokenizer.get("model") or {}).get("vocab")
        found = vocabulary.get(content) if isinstance(vocabulary, dict) else None
        return int(found) if found is not None else None
