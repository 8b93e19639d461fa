"""Fields of other servers' APIs that would change an answer and are not served here: the table of them (hop 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

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

Fields = Mapping[str, tuple[Any, ...]]
"""Names of fields, each with the values at which it asks for nothing. Null always asks for nothing."""


def _named(names: str, *nothing: Any) -> dict[str, tuple[Any, ...]]:
    return dict.fromkeys(names.split(), nothing)


OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("stop_sequences", "stop_sequence", "stopSequences", "stopping_strings", "stop_words"), "stop"),
    **dict.fromkeys(("random_seed", "sampler_seed"), "seed"),
    **dict.fromkeys(("num_predict", "max_output_tokens", "max_length", "max_gen_len"), "max_tokens"),
    **dict.fromkeys(("min_new_tokens", "min_length", "min_completion_tokens"), "min_tokens"),
    "mirostat": "mirostat_mode",
    "rep_pen": "repeat_penalty",
    "mirostat_target": "mirostat_tau",
    "mirostat_lr": "mirostat_eta",
    "grammar_string": "grammar",
    "regex_pattern": "regex",
    "n_cmpl": "n",
    "ban_eos_token": "ignore_eos",
}
"""Names that other servers have for fields of ours: accepted beside ours if they say the same, else refused."""

_OF_TEXT: Fields = {
    **_named(" ".join(OTHER_NAMES), "", []),
    **_named("random_seed sampler_seed", -1),
    **_named("min_new_tokens min_length min_completion_tokens mirostat", 0),
    "n_cmpl": (1,),
    "ban_eos_token": (False,),
    # What is drawn.
    **_named("typical_p typ_p typical tfs_z tfs length_penalty encoder_repetition_penalty guidance_scale cfg_scale", 1),
    **_named("num_beams num_beam_groups beam_width num_return_sequences", 1),
    **_named("top_a penalty_alpha epsilon_cutoff eta_cutoff diversity_penalty smoothing_factor skew k p", 0),
    **_named("no_repeat_ngram_size encoder_no_repeat_ngram_size dry_multiplier xtc_probability dynatemp_range", 0),
    **_named("top_n_sigma nsigma", -1, 0),
    "adaptive_target": (-1,),
    "min_keep": (0, 1),
    **_named("use_beam_search early_stopping dynamic_temperature temperature_last watermark", False),
    "do_sample": (True,),
    **_named("samplers sampler_priority sampler_order", []),
    **_named("repeat_last_n penalty_last_n repetition_context_size penalty_range", 64),
    **_named("repetition_penalty_range rep_pen_range", 0, 64),
    # Which tokens, and where they end.
    **_named("bad_words bad_words_ids banned_tokens banned_strings token_bans custom_token_bans", [], ""),
    **_named("suppress_tokens begin_suppress_tokens force_words_ids sequence_bias forced_decoder_ids", []),
    **_named("allowed_token_ids forced_bos_token_id forced_eos_token_id exponential_decay_length_penalty"),
    **_named("logits_processors logits_processor custom_logit_processor custom_params vllm_xargs", [], {}, ""),
    **_named("stop_regex", [], ""),
    **_named("include_stop_str_in_output no_stop_trim", False),
    **_named("max_time t_max_predict_ms t_max_prompt_ms", -1, 0),
    "n_indent": (0,),
    # What the text follows.
    **_named("format response_schema response_json_schema output_format guided_whitespace_pattern structural_tag", ""),
    "text": ({"format": {"type": "text"}}, {}),
    **_named("guided_json_object grammar_lazy strict_tools", False),
    "grammar_triggers": ([],),
    # What is said to the model.
    **_named("system instructions guideline tool_prompt negative_prompt response_prefix memory context_prompt", ""),
    **_named("inputs input_ids input_embeds prompt_embeds raw_prompt penalty_prompt template", "", []),
    **_named("input_prefix input_suffix input_extra context previous_response_id conversation", "", []),
    **_named("images image_data multimodal_data videos", []),
    **_named("raw safe_prompt enable_search", False),
    **_named("prompt_mode instruction_template instruction_template_str character preset", ""),
    **_named("plugins search_settings data_sources", [], {}),
    "add_bos_token": (True,),
    **_named("truncate_prompt_tokens prompt_truncate_len truncate", False),
    "n_keep": (0,),
    **_named("skip_special_tokens add_special_tokens", True),
    # Thoughts.
    **_named("thinking_budget thinking_budget_tokens thinking_token_budget reasoning_budget max_think_tokens", -1),
    "reasoning_format": ("auto", "deepseek", "parsed"),
    **_named("include_reasoning separate_reasoning stream_reasoning parse_tool_calls", True),
    **_named("think output_config"),
    # What else is answered.
    **_named("prompt_logprobs logprob_token_ids"),
    **_named("n_probs top_n_tokens", 0),
    **_named("return_tokens_as_token_ids return_token_ids return_tokens return_full_text return_hidden_states", False),
    **_named("post_sampling_probs details decoder_input_details raw_output", False),
    "response_fields": ([],),
    # Other weights, and fields inside of fields.
    **_named("lora lora_path lora_request adapter_id adapters aloras", [], ""),
    **_named("options parameters sampling_params generation_config extra_body nvext role_mapping", {}, ""),
}

_OF_CHAT_ALONE: Fields = {
    "modalities": (["text"], []),
    "documents": ([],),
    "verbosity": ("medium",),
    **_named("audio web_search_options chat_template"),
}
"""Of these, a completion has no use either."""

_OF_COMPLETIONS: Fields = {
    **_named("messages tools functions", []),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "chat_template_kwargs": ({},),
    **_named("continue_final_message enable_thinking", False),
    "reasoning_effort": ("none",),
    "reasoning": ({}, {"effort": "none"}, {"enabled": False}),
    "thinking": ({"type": "disabled"},),
    **_named("top_logprobs"),
}

_OF_EMBEDDINGS: Fields = {
    **_named("input_type task task_type instruction prompt pooling embedding_types options extra_body", "", {}),
    **_named("texts inputs messages image images", []),
    **_named("truncate_prompt_tokens output_dimension"),
    **_named("truncate truncation late_chunking return_sparse return_multivector", False, "NONE"),
    **_named("normalize normalized", True),
    **_named("embd_normalize", 2),
    **_named("output_dtype embedding_type", "float"),
    "use_activation": (True,),
    "add_special_tokens": (True,),
}

_OF_RANKING: Fields = {
    **_named("truncate_prompt_tokens max_tokens_per_doc max_chunks_per_doc overlap_tokens instruction instruct"),
    "truncate": (False, "NONE"),
    "truncation": (False,),
    "rank_fields": ([], ["text"]),
    "raw_scores": (False,),
    **_named("use_activation activation", True),
}

_OF_OTHER_PROTOCOLS: Fields = {
    **_OF_TEXT,
    **_OF_CHAT_ALONE,
    **{
        name: (None if field.is_required() else field.default, [])
        for name, field in CreateChatCompletionRequest.model_fields.items()
        if name not in ("model", "user")
    },
    **_named("max_completion_tokens max_new_tokens n_predict repetition_penalty stop_token_ids"),
    **_named("guided_json guided_regex guided_choice guided_grammar structured_outputs json_schema regex ebnf"),
    **_named("chat_template_kwargs reasoning_effort reasoning"),
    **_named("ignore_eos continue_final_message", False),
    "add_generation_prompt": (True,),
}
"""A chat's own fields, and its further names, where a protocol says the same otherwise or not at all."""

_OF_MESSAGES: Fields = {
    **_OF_OTHER_PROTOCOLS,
    **_named("container mcp_servers", [], {}),
    "context_management": ([], {}, {"edits": []}, {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}),
    "speed": ("standard",),
}

_OF_OLLAMA: Fields = {
    **_OF_OTHER_PROTOCOLS,
    "context": ([],),
    "shift": (True,),
    "truncate": (False,),
    "logprobs": (False,),
    "top_logprobs": (0,),
}

_OF_RESPONSES: Fields = {
    **_named("messages functions function_call response_format stream_options tool_calls", [], {}),
    **_named("max_tokens max_completion_tokens max_new_tokens n_predict logprobs", False),
    **_named("conversation prompt context_management moderation", [], {}, ""),
    "n": (1,),
    "echo": (False,),
}
"""Fields of a chat that have another name in responses, and what OpenAI's servers keep."""

REFUSED: Mapping[type[BaseModel], Fields] = {
    CreateCompletionRequest: {**_OF_TEXT, **_OF_CHAT_ALONE, **_OF_COMPLETIONS},
    CreateChatCompletionRequest: {
        **_OF_TEXT,
        **_OF_CHAT_ALONE,
        "suffix": ("",),
        "echo": (False,),
        "best_of": (1,),
    },
    CreateEmbeddingRequest: _OF_EMBEDDINGS,
    CreateRerankRequest: _OF_RANKING,
    CreateResponseRequest: _OF_RESPONSES,
    CreateScoreRequest: _OF_RANKING,
    CreateMessageRequest: _OF_MESSAGES,
    CountMessageTokensRequest: _OF_MESSAGES,
    OllamaChatRequest: _OF_OLLAMA,
    OllamaGenerateRequest: _OF_OLLAMA,
    OllamaEmbedRequest: _OF_EMBEDDINGS,
    OllamaEmbeddingsRequest: {**_OF_EMBEDDINGS, "truncate": (False,)},
}

MEMBERS: Mapping[str, Fields] = {
    "response_format": _named("value pattern regex grammar choice", "", []),
    "stream_options": {"continuous_usage_stats": (False,)},
    "messages": _named("images", []),
    "tools": {
        "strict": (False,),
        "parameters": (),
        "input_examples": ([],),
        "defer_loading": (False,),
        "allowed_callers": (["direct"], []),
    },
}
"""Members of these fields, or of each object in them: at a level where they have no effect."""
