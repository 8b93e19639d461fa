"""Fields of other servers' APIs that would change an answer and are not served here: the table of them (hop 3)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from jan_ort.http.reading.refused_of_texts import OF_TEXT, OTHER_NAMES, Fields, named
from jan_ort_openapi.models import (
    CountMessageTokensRequest,
    CreateChatCompletionRequest,
    CreateCompletionRequest,
    CreateEmbeddingRequest,
    CreateMessageRequest,
    CreateRerankRequest,
    CreateResponseRequest,
    CreateScoreRequest,
    OllamaChatRequest,
    OllamaEmbeddingsRequest,
    OllamaEmbedRequest,
    OllamaGenerateRequest,
)

_OF_CHAT_ALONE: Fields = {
    "modalities": (["text"], []),
    "documents": ([],),
    "verbosity": ("medium",),
    **named("audio web_search_options chat_template"),
}
"""Of these, a completion has no use either."""

_OF_COMPLETIONS: Fields = {
    **named("messages tools functions", []),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "chat_template_kwargs": ({},),
    **named("continue_final_message enable_thinking", False),
    "reasoning_effort": ("none",),
    "reasoning": ({}, {"effort": "none"}, {"enabled": False}),
    "thinking": ({"type": "disabled"},),
    "top_logprobs": (0,),
}

_OF_EMBEDDINGS: Fields = {
    **named("input_type task task_type instruction prompt pooling embedding_types options extra_body", "", {}),
    **named("texts inputs messages image images", []),
    **named("truncate_prompt_tokens output_dimension"),
    **named("truncate truncation late_chunking return_sparse return_multivector", False, "NONE"),
    **named("normalize normalized", True),
    **named("embd_normalize", 2),
    **named("output_dtype embedding_type", "float"),
    "use_activation": (True,),
    "add_special_tokens": (True,),
}

_OF_RANKING: Fields = {
    **named("truncate_prompt_tokens max_tokens_per_doc max_chunks_per_doc overlap_tokens instruction instruct"),
    "truncate": (False, "NONE"),
    "truncation": (False,),
    "rank_fields": ([], ["text"]),
    "raw_scores": (False,),
    "top_k": (),
    **named("use_activation activation", True),
}

_OF_OTHER_PROTOCOLS: Fields = {
    **OF_TEXT,
    **_OF_CHAT_ALONE,
    **named(" ".join(OTHER_NAMES), "", []),
    **named("max_completion_tokens max_new_tokens n_predict num_predict max_output_tokens max_gen_len rep_pen"),
    **{
        name: (None if field.is_required() else field.default, [])
        for name, field in CreateChatCompletionRequest.model_fields.items()
        if name not in ("model", "user")
    },
    **named("repetition_penalty stop_token_ids max_tokens_to_sample"),
    **named("prompt suffix", "", []),
    **named("echo add_special_tokens", False),
    "best_of": (1,),
    **named("guided_json guided_regex guided_choice guided_grammar structured_outputs json_schema regex ebnf"),
    **named("chat_template_kwargs reasoning_effort reasoning"),
    **named("ignore_eos continue_final_message", False),
    "add_generation_prompt": (True,),
}
"""A chat's own fields, and its further names, where a protocol says the same otherwise or not at all."""

_OF_MESSAGES: Fields = {
    **_OF_OTHER_PROTOCOLS,
    **named("container mcp_servers", [], {}),
    "context_management": ([], {}, {"edits": []}, {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}),
    "speed": ("standard",),
}

_OF_OLLAMA: Fields = {
    **_OF_OTHER_PROTOCOLS,
    "context": ([],),
    "truncate": (True, False),  # a prompt beyond the context is refused
    "logprobs": (False,),
    "top_logprobs": (0,),
    **named("width height steps", 0),  # of models that draw
}

_OF_RESPONSES: Fields = {
    **named("messages functions function_call response_format stream_options tool_calls", [], {}),
    **named("max_tokens max_completion_tokens max_new_tokens n_predict num_predict max_gen_len logprobs", False),
    **named("conversation prompt context_management moderation", [], {}, ""),
    "n": (1,),
    "echo": (False,),
}
"""Fields of a chat that have another name in responses, and what OpenAI's servers keep."""

REFUSED: Mapping[type[BaseModel], Fields] = {
    CreateCompletionRequest: {**OF_TEXT, **_OF_CHAT_ALONE, **_OF_COMPLETIONS},
    CreateChatCompletionRequest: {
        **OF_TEXT,
        **_OF_CHAT_ALONE,
        **named("suffix prompt", "", []),
        **named("echo add_special_tokens", False),  # a chat's template writes its own
        "best_of": (1,),
    },
    CreateEmbeddingRequest: _OF_EMBEDDINGS,
    CreateRerankRequest: _OF_RANKING,
    CreateResponseRequest: _OF_RESPONSES,
    CreateScoreRequest: {**_OF_RANKING, "top_n": (0,), "return_documents": (False,)},
    CreateMessageRequest: _OF_MESSAGES,
    CountMessageTokensRequest: _OF_MESSAGES,
    OllamaChatRequest: _OF_OLLAMA,
    OllamaGenerateRequest: _OF_OLLAMA,
    OllamaEmbedRequest: _OF_EMBEDDINGS,
    OllamaEmbeddingsRequest: {**_OF_EMBEDDINGS, "truncate": (False,)},
}

MEMBERS: Mapping[str, Fields] = {
    "response_format": named("value pattern regex grammar choice", "", []),
    "stream_options": {"continuous_usage_stats": (False,)},
    "messages": named("images", []),
    "tools": {
        "strict": (False,),
        "parameters": (),
        "input_examples": ([],),
        "defer_loading": (False,),
        "allowed_callers": (["direct"], []),
    },
}
"""Members of these fields, or of each object in them: at a level where they have no effect."""
