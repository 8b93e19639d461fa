"""Fields of other servers' APIs that would change a text and are not served here (hop 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, tuple[Any, ...]]
"""Names of fields, each with the values at which it asks for nothing. Null always asks for nothing."""


OFF = {"mode": "off"}
"""No search, as xAI's API says it."""


def named(names: str, *nothing: Any) -> dict[str, tuple[Any, ...]]:
    """Return fields that ask for nothing at the same values."""
    return dict.fromkeys(names.split(), nothing)


OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("stop_sequences", "stop_sequence", "stopSequences", "stopping_strings", "stop_words"), "stop"),
    "stop_strings": "stop",
    **dict.fromkeys(("random_seed", "sampler_seed", "sampling_seed"), "seed"),
    **dict.fromkeys(("min_new_tokens", "min_completion_tokens"), "min_tokens"),
    "mirostat": "mirostat_mode",
    "mirostat_target": "mirostat_tau",
    "mirostat_lr": "mirostat_eta",
    "grammar_string": "grammar",
    "regex_pattern": "regex",
    "n_cmpl": "n",
    "ban_eos_token": "ignore_eos",
}
"""Names that other servers have for fields of ours, which are honoured in chats, completions and responses."""

PENALTY_WINDOWS: Fields = {
    **named("repeat_last_n penalty_last_n repetition_context_size penalty_range repetition_range", 64),
    **named("repetition_penalty_range rep_pen_range", 0, 64),
    **named("repetition_decay rep_pen_slope", 0),
}
"""Over which tokens a penalty reaches, and how: nothing where none is asked for."""

OF_TEXT: Fields = {
    **PENALTY_WINDOWS,
    # What is drawn.
    **named("typical_p typ_p typical tfs_z tfs length_penalty encoder_repetition_penalty guidance_scale cfg_scale", 1),
    **named("num_beams num_beam_groups beam_width num_return_sequences", 1),
    **named("top_a penalty_alpha epsilon_cutoff eta_cutoff diversity_penalty smoothing_factor skew k p", 0),
    **named("no_repeat_ngram_size encoder_no_repeat_ngram_size dry_multiplier xtc_probability dynatemp_range", 0),
    **named("top_n_sigma nsigma", -1, 0),
    "adaptive_target": (-1, -0.01),
    "min_keep": (0, 1),
    **named("use_beam_search early_stopping dynamic_temperature temperature_last watermark", False),
    "do_sample": (True,),
    **named("samplers sampler_priority sampler_order", []),
    **named("max_temp min_temp dynatemp_high dynatemp_low", 1),
    **named("dynatemp_min dynatemp_max dynatemp_mode", 0),
    "watermarking": (False,),
    "penalize_nl": (True,),
    # Which tokens, and where they end.
    **named("bad_words bad_words_ids banned_tokens banned_strings token_bans custom_token_bans", [], ""),
    **named("suppress_tokens begin_suppress_tokens force_words_ids sequence_bias forced_decoder_ids", []),
    **named("allowed_token_ids forced_bos_token_id forced_eos_token_id exponential_decay_length_penalty"),
    **named("logits_processors logits_processor custom_logit_processor custom_params vllm_xargs", [], {}, ""),
    **named("stop_regex eos_token eos_token_id allowed_tokens token_ban_ranges repetition_detection", [], ""),
    **named("bypass_eos use_default_badwordsids render_special token_healing singleline", False),
    **named("frmttriminc frmtrmblln frmtrmspch frmtadsnsp auto_max_new_tokens", False),
    **named("trim_stop detokenize", True),
    **named("max_tokens_second minimum_message_content_tokens max_length min_length", 0),
    **named("include_stop_str_in_output no_stop_trim", False),
    **named("max_time t_max_predict_ms t_max_prompt_ms", -1, 0),
    "n_indent": (0,),
    # What the text follows.
    **named("format response_schema response_json_schema output_format guided_whitespace_pattern structural_tag", ""),
    "text": ({"format": {"type": "text"}}, {}),
    **named("guided_json_object grammar_lazy strict_tools json_mode grammar_retain_state", False),
    **named("guided_decoding_disable_any_whitespace guided_decoding_disable_additional_properties", False),
    **named("disable_any_whitespace", False),
    **named("guided_decoding", {}, ""),
    "result_format": ("message",),
    "incremental_output": (True,),
    "grammar_triggers": ([],),
    # What is said to the model.
    **named("system instructions guideline tool_prompt negative_prompt response_prefix memory context_prompt", ""),
    **named("inputs input_ids input_embeds prompt_embeds raw_prompt penalty_prompt template", "", []),
    **named("input_prefix input_suffix input_extra context previous_response_id conversation", "", []),
    **named("images image_data multimodal_data videos", []),
    **named("raw safe_prompt enable_search", False),
    **named("prompt_mode instruction_template instruction_template_str character preset", ""),
    **named("plugins search_settings data_sources", [], {}),
    **named("template_vars translation_options", {}),
    **named("raw_prompting echo_last", False),
    "safety_mode": ("", "NONE", "OFF"),
    **named("input system_prompt prefill assistant_prefill bot_name user_name name1 name2 user_bio greeting", "", []),
    **named("chat_template_str chat_instruct_command chat_parser prompt_template", ""),
    **named("continue_ impersonate thinking_forced_open", False),
    "mode": ("instruct",),
    "chat_format": (0,),
    **named("preserved_tokens", []),
    "session_params": ({},),
    **named("mm_processor_kwargs media_io_kwargs images_config max_dynamic_patch min_dynamic_patch", {}),
    **named("use_audio_in_video return_images return_related_questions enable_code_interpreter deferred", False),
    **named("background mask_sensitive_info", False),
    **named("search_options search_parameters search_domain_filter search_recency_filter search_mode", {}, [], "", OFF),
    **named("guardrails safety_model mock_response mock_tool_calls max_tool_calls tool_resources", [], ""),
    "citation_options": ("disabled",),
    "add_bos_token": (True,),
    "truncate_prompt_tokens": (False, -1),  # -1 is to the context, beyond which a prompt is refused
    **named("prompt_truncate_len truncate", False),
    "n_keep": (0,),
    **named("skip_special_tokens add_special_tokens", True),
    # Thoughts.
    **named("thinking_budget thinking_budget_tokens thinking_token_budget reasoning_budget max_think_tokens", -1),
    **named("reasoning_budget_tokens budget_tokens max_thinking_tokens reasoning_max_tokens", -1),
    **named("reasoning_budget_message reasoning_budget_start_tag reasoning_budget_end_tag", ""),
    **named("reasoning_in_content", False),
    **named("thinking_config include_thoughts", {}),
    "reasoning_format": ("auto", "deepseek", "parsed"),
    **named("include_reasoning separate_reasoning stream_reasoning parse_tool_calls", True),
    **named("think output_config"),
    # What else is answered.
    **named("prompt_logprobs logprob_token_ids"),
    **named("n_probs top_n_tokens", 0),
    **named("return_tokens_as_token_ids return_token_ids return_tokens return_full_text return_hidden_states", False),
    **named("post_sampling_probs details decoder_input_details raw_output return_prompt_text", False),
    **named("return_prompt_token_ids return_token_offsets return_meta_info return_routed_experts", False),
    **named("return_logprob return_text_in_logprobs", False),
    **named("logprob_start_len", -1),
    **named("top_logprobs_num", 0),
    **named("routed_experts_start_len routed_experts_prompt_start", 0),
    "response_fields": ([],),
    # Other weights, and fields inside of fields.
    **named("lora lora_path lora_request lora_name adapter_id adapter_source adapters aloras control_vectors", [], ""),
    "task": (),
    **named("options parameters sampling_params generation_config extra_body nvext role_mapping", {}, ""),
}
