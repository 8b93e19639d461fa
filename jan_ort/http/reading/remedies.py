"""What to do instead of giving a field that is not served, in the names of the protocol that was asked (hop 3)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from jan_ort.http.reading.refused_of_texts import OTHER_NAMES
from jan_ort_openapi.models import (
    CountMessageTokensRequest,
    CreateMessageRequest,
    CreateRerankRequest,
    CreateResponseRequest,
    OllamaChatRequest,
    OllamaEmbeddingsRequest,
    OllamaEmbedRequest,
    OllamaGenerateRequest,
    OllamaOptions,
)

Remedies = Mapping[str, str]

_FORMATS = (
    *("format", "response_format", "response_schema", "response_json_schema", "output_format"),
    *("guided_json_object", "text"),
)

_OF_ALL: Remedies = {
    **dict.fromkeys(("truncate_prompt_tokens", "prompt_truncate_len"), "send a shorter prompt"),
    **dict.fromkeys(("inputs", "texts"), "use the name that the API's document has"),
    **dict.fromkeys(("temperature_last", "samplers"), "the order is temperature, top_k, top_p, min_p"),
    **dict.fromkeys(("options", "parameters", "sampling_params", "extra_body"), "put what it holds into the body"),
    **dict.fromkeys(("functions", "input_schema"), "use tools"),
    "function_call": "use tool_choice",
}

_OF_CHATS: Remedies = {
    **_OF_ALL,
    **{name: f"use {own}" for name, own in OTHER_NAMES.items()},
    **dict.fromkeys(_FORMATS, "use response_format"),
    **dict.fromkeys(("system", "instructions"), "give it as a message"),
    **dict.fromkeys(("functions", "function_call", "tools", "tool_choice", "messages"), "use /v1/chat/completions"),
    **dict.fromkeys(("strict", "parameters"), "give it inside of the function"),
    **dict.fromkeys(("n_probs", "top_logprobs"), "use logprobs"),
    **dict.fromkeys(("json_mode", "guided_decoding"), "use response_format"),
    **dict.fromkeys(("system_prompt", "input"), "give it as a message"),
    "max_length": "use max_tokens",
    "min_length": "use min_tokens",
    "do_sample": "use temperature 0",
    "think": "use reasoning_effort or enable_thinking",
    "strict_tools": "set strict in each tool's function",
    "output_dimension": "use dimensions",
    "embedding_type": "use encoding_format",
}


def _own(limit: str, stop: str, answer: str, thought: str) -> dict[str, str]:
    """Return the remedies of a protocol with names of its own for these."""
    stops = [name for name in OTHER_NAMES if OTHER_NAMES[name] == "stop"]
    limits = ("max_tokens", "max_completion_tokens", "max_new_tokens", "n_predict", "num_predict", "max_gen_len")
    return {
        **dict.fromkeys((*limits, "max_output_tokens", "max_length"), f"use {limit}"),
        **dict.fromkeys(("stop", *stops), f"use {stop}"),
        **dict.fromkeys(_FORMATS, f"use {answer}"),
        **dict.fromkeys(("reasoning", "reasoning_effort", "enable_thinking", "think"), f"use {thought}"),
    }


_OF_MESSAGES = {
    **_OF_ALL,
    **_own("max_tokens", "stop_sequences", "output_config.format", "thinking"),
    "reasoning_effort": "use output_config.effort",
    "max_tokens_to_sample": "use max_tokens",
    "prompt": "use messages",
    "instructions": "use system",
}

_OF_OLLAMA = {
    **_OF_ALL,
    **dict.fromkeys(OllamaOptions.model_fields, "put it into options"),
    **_own("options.num_predict", "options.stop", "format", "think"),
    **dict.fromkeys(("system", "instructions"), "give it as a message"),
    **dict.fromkeys(("prompt", "suffix"), "use /api/generate"),
    "function_call": "leave it out",
}

_OF: Mapping[type[BaseModel], Remedies] = {
    CreateResponseRequest: {
        **_OF_ALL,
        **_own("max_output_tokens", "stop", "text.format", "reasoning"),
        "logprobs": "use top_logprobs",
        "messages": "use input",
    },
    CreateRerankRequest: {**_OF_ALL, "top_k": "use top_n"},
    CreateMessageRequest: _OF_MESSAGES,
    CountMessageTokensRequest: {
        name: remedy for name, remedy in _OF_MESSAGES.items() if remedy not in ("use max_tokens", "use stop_sequences")
    },
    OllamaEmbedRequest: {**_OF_ALL, "output_dimension": "use dimensions"},
    OllamaEmbeddingsRequest: _OF_ALL,
    OllamaChatRequest: _OF_OLLAMA,
    OllamaGenerateRequest: {
        **_OF_OLLAMA,
        **dict.fromkeys(("messages", "functions", "tools"), "use /api/chat"),
        "instructions": "use system",
    },
}


def remedy(body: type[BaseModel], name: str) -> str:
    """Return what a client may do that has given a field which a body has not."""
    return _OF.get(body, _OF_CHATS).get(name, "leave it out")
