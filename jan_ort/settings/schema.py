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
        "NAME@PROVIDER runs it there (NAME@cuda). May be given several times; in a variable, names are separated by "
        "commas.",
    )
    embedding_model: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="Embedding model, same forms as --model. Use this, not --model, for an embedding model that has "
        "not been pulled yet.",
    )
    load: Literal["start", "request"] = Field(
        "start", description="When models are loaded: all at the start, or each at the first request for it."
    )
    model_ttl_s: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="Seconds without a request after which a model is unloaded until the next one; 0 is never.",
    )
    backend: str | None = Field(None, description="Backend plugin by name; otherwise the first that accepts the model.")
    backend_option: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Option of the backend as NAME=VALUE, for instance provider=cuda, or strict=1 to fail rather than "
        "fall back; BACKEND:NAME=VALUE is for one of several backends. May be given several times; in a variable, "
        "separated by commas.",
    )
    allow_backend: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="Backend plugin that may be imported; if given, no other one is. May be given several times; in a "
        "variable, names are separated by commas.",
    )
    deny_backend: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Backend plugin that is never imported, installed or not.",
    )
    isolate: bool = Field(
        False,
        description="Run each model in a process of its own: a crash of its backend then ends neither the server nor "
        "another model, and the model is opened again.",
    )
    weights: Literal["int8", "int4", "fp16", "int4-fp16", "as-is"] = Field(
        "int8",
        description="Weight scheme that GGUF files are converted to; as-is keeps them, for a backend that reads them.",
    )
    pooling: Literal["mean", "cls", "max", "last"] | None = Field(
        None,
        description="How the vectors of a text's tokens become one, in embedding models whose files do not say it.",
    )
    num_slots: int = Field(
        8, ge=1, le=1024, description="Sequences processed in parallel; by default 8, or what fits in memory."
    )
    context_length: int | None = Field(
        None,
        ge=2,
        description="Tokens of each slot, prompt and answer; if not given the model's own, or what fits in memory, "
        "2,048 at least.",
    )
    memory_limit_mb: int | None = Field(
        None,
        ge=0,
        description="Most MiB that models may take, their KV caches included: one that needs more is not loaded. What "
        "is available when it is loaded if not given; 0 is no limit.",
    )
    max_queued: int = Field(
        512,
        ge=1,
        description="Sequences of one API key, queued or running, before a request is answered 429; one request counts "
        "as half at most.",
    )
    prefill_step_s: float = Field(
        0.25,
        ge=0,
        allow_inf_nan=False,
        description="Seconds that a part of a long prompt should hold others up at most. A part is made as small as "
        "that takes, but of at least 32 tokens, or 64 while nobody waits.",
    )
    max_body_bytes: int = Field(16 * 2**20, ge=1024, description="Largest request body; a larger one is answered 413.")
    body_memory_mb: int | None = Field(
        None,
        ge=1,
        description="Most MiB that the bodies of all requests may have together, until their answers begin; when there "
        "is more, an unfinished one is answered 503. A sixteenth of the available memory if not given.",
    )
    max_connections: int | None = Field(
        None,
        ge=1,
        description="Connections that may be open; idle ones are closed for new ones. By default what the limit on "
        "open files allows, at most 4096.",
    )
    drain_s: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Seconds that running requests get to finish after SIGTERM or Ctrl-C; if not given, 0 in a "
        "terminal and 30 without one, as in a container or a service.",
    )
    max_body_values: int = Field(
        2**20,
        ge=1024,
        description="Values (numbers, texts, …) that a request body may hold; a field, object or array counts as 16.",
    )
    max_text_bytes: int = Field(
        2 * 2**20,
        ge=1024,
        description="Bytes of a text that is tokenized at once, where it is not refused for the context's length; each "
        "may take 430 bytes of memory meanwhile.",
    )
    strict_openai: bool = Field(
        False,
        description="Refuse, in every protocol, what OpenAI's API refuses and this server would take: an unknown model "
        "(404), no model or messages, and a result of a tool that no call has asked for (400).",
    )
    strict_limits: bool = Field(
        False,
        description="Refuse a max_tokens that is more than the context leaves, rather than generate what it leaves.",
    )
    max_logprobs: int = Field(
        100, ge=0, description="Alternatives with log-probabilities that a request may want of each token."
    )
    max_biases: int = Field(
        1024, ge=0, description="Tokens whose logits a request may shift (logit_bias); each costs time at every step."
    )
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(
        None, description="What is logged: this and what is graver; info if not given, or debug with -v."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="How a line of the log is written; json has the figures of a request as fields."
    )
    access_log: bool = Field(
        False,
        description="Log each answer in the form that web servers have (combined), but for probes and metrics.",
    )
    log_prompts: bool = Field(
        False,
        description="Log the body of each request, cut off at 2,000 characters; at 65,536 bytes in JSON.",
    )
    bug_records: Literal["filler", "prompts", "off"] = Field(
        "filler",
        description="What the cache folder keeps for 'jan-ort doctor --bundle': the last log, and the last requests "
        "that failed (5xx), with filler of the same length for what they say; prompts keeps that, off keeps nothing.",
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
