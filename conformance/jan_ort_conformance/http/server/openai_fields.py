"""What any OpenAI-compatible API may be asked for without having declared it: OpenAI's own operations and fields."""

from __future__ import annotations

_SAMPLING = {"temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs"}
_BOTH = {"model", "user", "stream", "stream_options", "n", "stop", "max_tokens"} | _SAMPLING
_TOOLS = {"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"}

OPENAI_FIELDS: dict[str, set[str]] = {
    "/v1/models": set(),
    "/v1/models/{model}": {"model"},
    "/v1/completions": {"prompt", "suffix", "echo", "best_of"} | _BOTH,
    "/v1/chat/completions": {"messages", "max_completion_tokens", "top_logprobs", "response_format"} | _TOOLS | _BOTH,
    "/v1/embeddings": {"input", "model", "encoding_format", "dimensions", "user"},
}
"""The fields of each operation's request, of those that the document has too."""

_OWED = {"messages", "prompt", "input", "model", "stream", "max_tokens", "stop", "temperature", "top_p"}
_NOT_OPENAIS = frozenset(["response_format.schema"])
"""Members of OpenAI's own fields that others have added."""


def is_openais(need: str) -> bool:
    """Whether an operation ("/v1/embeddings") or a field of one, or a member of it, is OpenAI's own."""
    path, _, name = need.partition(" ")
    if path not in OPENAI_FIELDS or name in _NOT_OPENAIS:
        return False
    return not name or name.partition(".")[0] in OPENAI_FIELDS[path]


def is_owed(need: str) -> bool:
    """Whether any server of this kind has the field; others of OpenAI's own a server may lack without a word."""
    return need.partition(" ")[2] in _OWED
