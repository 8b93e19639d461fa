"""The small files of a model folder, and what they say of the model, each asked in the order that has to be (hop 3)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

from jan_ort.ground.json_object import object_in, read_object, text_in
from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.ground.task import EMBED, GENERATE, RERANK, Task, find_task, task_names
from jan_ort.models.prompt_template import chat_template_of
from jan_ort_backends.context_length import BARE_CONTEXT_LENGTH, sentence_config, stated_context_length
from jan_ort_backends.folder_names import folder_name
from jan_ort_backends.small_files import MAX_CONFIGURATION_BYTES, MAX_TOKENIZER_BYTES, read_small_file

MANIFEST = "jan_ort_manifest.json"
"""What every folder of the cache has, and no other: models/cache/manifest.py writes it."""

_MAX_NAME = 256

MAX_TOKENS = 2**22
"""Ids of a vocabulary: tables of all of them are made. The largest of a model has 900,000."""

CONFIGURATIONS = ("jan_ort.json", "config.json", "genai_config.json")


def how_to_mend(folder: Path) -> str:
    """Return what to do about a folder with a damaged file: one of the cache is made again."""
    if (folder / MANIFEST).is_file():
        return f"remove it, and it is made again when it is needed: jan-ort models remove {folder.name}"
    return "download the model again"


def scores_pairs(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of a model whose head scores pairs of texts."""
    return str((config.get("architectures") or [""])[0]).endswith("ForSequenceClassification")


def is_headless(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of a model without a head, which can do no more than embed."""
    architecture = str((config.get("architectures") or [""])[0])
    return architecture.endswith("Model") and not architecture.endswith("LMHeadModel")


def _is_token_id(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < MAX_TOKENS


class FolderFiles:
    """The files of a folder, each parsed when it is first needed; one that is not there counts as empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def ours(self) -> dict[str, Any]:
        """What our own conversions write."""
        return self._read("jan_ort.json")

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json."""
        return self._read("config.json")

    @cached_property
    def generation(self) -> dict[str, Any]:
        """generation_config.json."""
        return self._read("generation_config.json")

    @cached_property
    def genai(self) -> dict[str, Any]:
        """The part "model" of genai_config.json."""
        model: dict[str, Any] = self._read("genai_config.json").get("model", {})
        return model

    @cached_property
    def foundry(self) -> dict[str, Any]:
        """inference_model.json, of Foundry Local."""
        return self._read("inference_model.json")

    @cached_property
    def tokenizer_config(self) -> dict[str, Any]:
        """tokenizer_config.json."""
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
            return read_object(path, MAX_TOKENIZER_BYTES if name == "tokenizer.json" else MAX_CONFIGURATION_BYTES)
        except ValueError as error:
            raise ModelFolderError(f"{path} {error}; {how_to_mend(self.path)}") from error

    def _read_text(self, path: Path) -> str:
        try:
            content = read_small_file(path)
        except ValueError as error:
            raise ModelFolderError(f"{path} {error}; {how_to_mend(self.path)}") from error
        return content.decode()

    def name(self) -> str:
        """Return the model's name, the folder's own where no file gives one."""
        stated = self.ours.get("name")
        if not isinstance(stated, str | None) or not (stated or "").isprintable() or len(stated or "") > _MAX_NAME:
            shown = repr(stated)[:80]
            raise ModelFolderError(
                f"{self.path / 'jan_ort.json'}: name is {shown}; expected a string of up to {_MAX_NAME} characters"
            )
        return stated or text_in(self.foundry, "Name")[:_MAX_NAME] or folder_name(self.path)

    def backend_tokenizes(self) -> bool:
        """Return whether the tokenizer is the backend's own, and no tokenizer.json is needed."""
        stated = self.ours.get("tokenizer")
        if stated not in (None, "backend"):
            raise ModelFolderError(
                f"{self.path / 'jan_ort.json'}: tokenizer is {str(stated)[:80]!r}; expected 'backend', or nothing for "
                "tokenizer.json"
            )
        return stated is not None

    def task(self) -> Task:
        """Return what the model is for."""
        stated = self.ours.get("task")
        if stated is None and scores_pairs(self.config):
            return RERANK
        if stated is None:
            embeds = (self.path / "modules.json").exists() or (self.path / "1_Pooling").is_dir()
            return EMBED if embeds or is_headless(self.config) else GENERATE
        if (task := find_task(stated)) is None:
            known = ", ".join(task_names())
            raise ModelFolderError(f"{self.path / 'jan_ort.json'}: task {stated!r} is unknown; known: {known}")
        return task

    def vector_lengths(self) -> tuple[int, ...] | None:
        """Return the lengths that vectors may be cut to, () for any, None for none: as vLLM reads config.json."""
        lengths = self.config.get("matryoshka_dimensions")
        if isinstance(lengths, list) and lengths:
            return tuple(length for length in lengths if type(length) is int and length > 0)
        return () if self.config.get("is_matryoshka") is True else None

    @cached_property
    def sentence_transformers(self) -> dict[str, Any]:
        """config_sentence_transformers.json."""
        return self._read("config_sentence_transformers.json")

    @cached_property
    def sentence_transformer(self) -> dict[str, Any]:
        """sentence_bert_config.json, or what it is called for other kinds of encoders."""
        return self._read(sentence_config(self.path))

    def prompts(self) -> dict[str, str]:
        """Return what is put before texts, by name."""
        stated = self.sentence_transformers.get("prompts") or {}
        if not isinstance(stated, dict) or not all(isinstance(each, str | None) for each in stated.values()):
            raise ModelFolderError(f"{self.path / 'config_sentence_transformers.json'}: prompts are not texts by name")
        return {name: prompt for name, prompt in stated.items() if prompt is not None}

    def default_prompt(self) -> str:
        """Return what is put before a text whose request names no prompt."""
        name = self.sentence_transformers.get("default_prompt_name")
        if name is not None and name not in (prompts := self.prompts()):
            known = ", ".join(prompts) or "none"
            path = self.path / "config_sentence_transformers.json"
            raise ModelFolderError(f"{path}: default_prompt_name is {str(name)[:80]!r}, and the prompts are {known}")
        return "" if name is None else self.prompts()[name]

    def score_activation(self) -> str:
        """Return what a pair's score goes through: "sigmoid", as in sentence-transformers, unless a file says other."""
        nested = self.config.get("sentence_transformers")
        stated = (
            self.sentence_transformers.get("activation_fn"),
            nested.get("activation_fn") if isinstance(nested, dict) else None,
            self.config.get("sbert_ce_default_activation_function"),
        )
        name = next((str(each).rpartition(".")[2].lower() for each in stated if each), "sigmoid")
        if name not in ("sigmoid", "identity"):
            raise ModelFolderError(f"{self.path} asks for the activation {name[:80]!r}; known are sigmoid and identity")
        return name

    def pair_template(self) -> str | None:
        """Return the text that a pair of texts is put into, None where there is none."""
        stated, places = self.ours.get("pair_template"), ("{query}", "{document}")
        if stated is None or (isinstance(stated, str) and all(stated.count(place) == 1 for place in places)):
            return stated
        path = self.path / "jan_ort.json"
        raise ModelFolderError(
            f"{path}: pair_template is {str(stated)[:80]!r}; expected {' and '.join(places)}, each once"
        )

    def context_length(self) -> int:
        """Return how many tokens it takes."""
        stated = self.ours.get("context_length")
        if type(stated) is int and 0 < stated < 2**31:
            return stated
        length = stated_context_length(
            config=self.config,
            genai_model=self.genai,
            sentence_bert=self.sentence_transformer,
            tokenizer_config=self.tokenizer_config,
            embeds=self.task() != GENERATE,
        )
        if length is None and not any((self.path / name).exists() for name in CONFIGURATIONS):
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
            if not all(map(_is_token_id, listed)):
                shown = repr(stated)[:80]
                raise ModelFolderError(f"{self.path} says that eos_token_id is {shown}; expected a token id")
            token_ids.update(listed)
        token_id = self._token_id("eos_token")
        return tuple(sorted(token_ids | ({token_id} if token_id is not None else set())))

    def bos_token_id(self) -> int | None:
        """Return the token that begins a text, None if there is none."""
        stated = [
            self._token_id("bos_token"),
            *(c.get("bos_token_id") for c in (self.generation, self.config, self.genai)),
        ]
        return next((token_id for token_id in stated if _is_token_id(token_id)), None)

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
        """Return the source of the chat template, None if there is none."""
        path = self.path / "chat_template.jinja"
        if path.exists():
            return self._read_text(path)
        for config in (self.tokenizer_config, self._read("chat_template.json")):
            template = config.get("chat_template")
            if isinstance(template, list):  # several, each with a name
                named = {entry["name"]: entry["template"] for entry in template}
                template = named.get("default", next(iter(named.values()), None))
            if template:
                return str(template)
        return chat_template_of(object_in(self.foundry, "PromptTemplate"))

    def tool_use_template(self) -> str | None:
        """Return the template that transformers takes, by this name, as soon as there are tools."""
        path = self.path / "additional_chat_templates" / "tool_use.jinja"
        if path.exists():
            return self._read_text(path)
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
