"""Every setting of the server, read from flags, ``JAN_ORT_*`` variables and TOML files by one schema."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_dir
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from jan_ort.settings.network import NetworkSettings
from jan_ort.settings.prompt_cache import PromptCacheSettings
from jan_ort.settings.responses import ResponseSettings
from jan_ort.settings.speculation import SpeculationSettings
from jan_ort.settings.tls import TlsSettings
from jan_ort.settings.value_sources import (
    ConfigFileSource,
    SettingsError,
    check_variables,
    describe_wrong,
    find_origins,
    separated,
)

__all__ = ["Settings", "SettingsError"]


def default_cache_dir() -> Path:
    """Return the user's own cache directory for this program."""
    return Path(user_cache_dir("jan-ort", appauthor=False))


class Settings(SpeculationSettings, PromptCacheSettings, ResponseSettings, TlsSettings, NetworkSettings):
    """What the operator decides.

    A flag ``--num-slots`` is the field ``num_slots``, ``JAN_ORT_NUM_SLOTS`` and ``num_slots = 4`` in a file; a flag
    wins over a variable, and a variable over a file.
    """

    model_config = SettingsConfigDict(env_prefix="JAN_ORT_", env_ignore_empty=True, extra="ignore", frozen=True)

    model: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="Model: a name of 'jan-ort models list', a Hugging Face id, a model folder or a .gguf file; "
        "NAME@PROVIDER chooses where it runs (NAME@cuda). May be given several times; in a variable, separated by "
        "commas.",
    )
    embedding_model: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="Embedding model, same forms as --model. Use this, not --model, for an embedding model that has "
        "not been pulled yet.",
    )
    load: Literal["start", "request"] = Field(
        "start",
        description="When models are loaded: all at the start, or each at the first request for it; then idle ones "
        "leave when another one needs their memory.",
    )
    model_ttl_s: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="Seconds without a request after which a model is unloaded until the next one; 0 means never.",
    )
    backend: str | None = Field(None, description="Backend plugin by name; otherwise the first that accepts the model.")
    backend_option: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Backend option as NAME=VALUE, for example provider=cuda, or strict=1 to fail rather than fall "
        "back; BACKEND:NAME=VALUE sets it for one of several backends. May be given several times; in a variable, "
        "separated by commas.",
    )
    allow_backend: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="Backend plugin that may be imported; if given, all others are excluded. May be given several "
        "times; in a variable, separated by commas.",
    )
    deny_backend: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Backend plugin that is never imported, even if installed.",
    )
    isolate: bool = Field(
        False,
        description="Run each model in a process of its own: if its backend crashes, the server and the other models "
        "keep running, and the model is opened again.",
    )
    weights: Literal["int8", "int4", "fp16", "int4-fp16", "as-is"] = Field(
        "int8",
        description="Weight scheme that GGUF files are converted to; as-is keeps them, for a backend that reads them.",
    )
    embedding_weights: Literal["float32", "int8"] = Field(
        "float32",
        description="Weight scheme that GGUF files and safetensors of embedding models and rerankers are converted to; "
        "int8 takes half the time, and vectors and scores differ a little (docs/weights.md).",
    )
    pooling: Literal["mean", "cls", "max", "last"] | None = Field(
        None,
        description="How token vectors are combined into one, for embedding models whose files do not say.",
    )
    mmproj: str | None = Field(
        None,
        description="mmproj file that a GGUF model reads images with, or none for text only; by default the one beside "
        "the model, if it belongs to it.",
    )
    num_slots: int = Field(
        8, ge=1, le=1024, description="Sequences processed in parallel; by default 8, or what fits in memory."
    )
    context_length: int | None = Field(
        None,
        ge=2,
        description="Tokens per slot, prompt and answer together; by default the model's maximum, or what fits in "
        "memory, at least 2,048.",
    )
    memory_limit_mb: int | None = Field(
        None,
        ge=0,
        description="Most MiB for models and their KV caches: a model that needs more is not loaded. By default what "
        "is available at load time; 0 means no limit.",
    )
    max_queued: int = Field(
        512,
        ge=1,
        description="Most sequences per API key, queued or running; further requests get a 429. One request counts as "
        "at most half.",
    )
    prefill_step_s: float = Field(
        0.25,
        ge=0,
        allow_inf_nan=False,
        description="Most seconds that one chunk of a long prompt should delay other requests; beside running "
        "streams it takes little more than one of their steps. Chunks are made small enough for that, but of at least "
        "8 tokens, or 64 while nobody waits.",
    )
    max_body_bytes: int = Field(16 * 2**20, ge=1024, description="Largest request body; a larger one gets a 413.")
    body_memory_mb: int | None = Field(
        None,
        ge=1,
        description="Most MiB for all request bodies together, until their answers begin; beyond that, an unfinished "
        "one gets a 503. By default a sixteenth of the available memory.",
    )
    max_connections: int | None = Field(
        None,
        ge=1,
        description="Most open connections; idle ones are closed to make room for new ones. By default what the limit "
        "on open files allows, at most 4096.",
    )
    drain_s: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Seconds that running requests get to finish after SIGTERM or Ctrl-C; by default 0 in a terminal "
        "and 30 without one, as in a container or a service.",
    )
    max_body_values: int = Field(
        2**20,
        ge=1024,
        description="Most values (numbers, strings, …) in a request body; a field, object or array counts as 16.",
    )
    max_text_bytes: int = Field(
        2 * 2**20,
        ge=1024,
        description="Most bytes of one text to tokenize, unless it already exceeds the context length; each byte may "
        "take 430 bytes of memory meanwhile.",
    )
    strict_openai: bool = Field(
        False,
        description="Reject, in every protocol, what OpenAI's API rejects and this server would accept: an unknown "
        "model (404), no model or messages, and a tool result that belongs to no call (400).",
    )
    strict_limits: bool = Field(
        False,
        description="Reject a max_tokens that exceeds the remaining context, instead of generating only what fits.",
    )
    max_logprobs: int = Field(
        100, ge=0, description="Most alternatives with log-probabilities per token that a request may ask for."
    )
    max_biases: int = Field(
        1024, ge=0, description="Most tokens in a request's logit_bias; each costs time at every step."
    )
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(
        None, description="Lowest level to log; by default info, or debug with -v."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Format of log lines; json has a request's figures as fields."
    )
    access_log: bool = Field(
        False,
        description="Log each response in the combined format of web servers, except probes and metrics.",
    )
    log_prompts: bool = Field(
        False,
        description="Log the body of each request, cut off at 2,000 characters (65,536 bytes with --log-format json).",
    )
    bug_records: Literal["filler", "prompts", "off"] = Field(
        "filler",
        description="What the cache folder keeps for 'jan-ort doctor --bundle': the last log, and the last requests "
        "that failed (5xx), their texts replaced by filler of the same length; prompts keeps the texts, off nothing.",
    )
    cache_dir: Path = Field(
        default_factory=default_cache_dir,
        description="Where fetched and converted models are kept.",
    )
    config: Path | None = Field(
        None, description="TOML file of settings; otherwise the user's config.toml and ./jan-ort.toml are read."
    )

    @field_validator("model", "embedding_model", "backend_option", "allow_backend", "deny_backend", mode="before")
    @classmethod
    def _separate(cls, given: object) -> object:
        return separated(given)

    @field_validator("backend_option")
    @classmethod
    def _check_pairs(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for each in given:
            if "=" not in each or "" in split_option(each)[:2]:
                raise ValueError(f"{each!r} is not NAME=VALUE, nor BACKEND:NAME=VALUE")
        return given

    def options_of(self, backend: str) -> dict[str, str]:
        """Return the options of a backend by name: its own, and those for any; the last of several values counts."""
        given = map(split_option, self.backend_option)
        return {name: value for meant, name, value in given if meant in (None, backend)}

    @field_validator("body_memory_mb")
    @classmethod
    def _hold_one_body(cls, given: int | None, others: ValidationInfo) -> int | None:
        one = others.data.get("max_body_bytes", 0)
        if given is not None and given * 2**20 < one:
            raise ValueError(f"one body may have {one} bytes (--max-body-bytes): allow as much, or lower that")
        return given

    @field_validator("cache_dir")
    @classmethod
    def _expand_home(cls, path: Path) -> Path:
        """Read ~ as a shell does: a file or a variable may hold it, too."""
        return path.expanduser()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, the most important source first."""
        return init_settings, env_settings, ConfigFileSource(settings_cls)

    @classmethod
    def read(cls, **overrides: object) -> Settings:
        """Return the settings: overrides (flags), then environment, then files. Raises: SettingsError."""
        return cls._read({name: value for name, value in overrides.items() if value is not None})

    @classmethod
    def read_only(cls, names: Collection[str], **overrides: object) -> Settings:
        """Return settings with only ``names`` read and the defaults of all others, one of which may thus be wrong.

        Raises: SettingsError.
        """
        read = {*names, "config"}
        others = {name: field for name, field in cls.model_fields.items() if name not in read}
        defaults = {name: field.get_default(call_default_factory=True) for name, field in others.items()}
        return cls._read(
            defaults | {name: value for name, value in overrides.items() if name in read and value is not None}
        )

    @classmethod
    def _read(cls, given: Mapping[str, object]) -> Settings:
        check_variables(cls.model_fields)
        try:
            return cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            origins = find_origins(cls, given)
            raise SettingsError(
                "; ".join(describe_wrong(each["loc"], each["msg"], each["input"], origins) for each in error.errors())
            ) from error


def split_option(given: str) -> tuple[str | None, str, str]:
    """Return the backend that an option is for, None for any, its name and its value."""
    name, _, value = given.partition("=")
    backend, colon, own = name.partition(":")
    return (backend, own, value) if colon else (None, name, value)
