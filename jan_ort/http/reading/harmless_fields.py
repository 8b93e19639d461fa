"""Fields of other servers' APIs without effect on an answer: accepted, and not even named in the log (hop 3)."""

from __future__ import annotations

# What the client says of itself and its request.
_OF_THE_CLIENT = """
user metadata store service_tier safety_identifier prompt_cache_key prompt_cache_retention tags trace request_id
rid session_id extra_key custom_labels litellm_metadata user_security_context debug extra_headers
"""

# How the server is to compute, whatever that gives.
_OF_COMPUTING = """
prediction cache_prompt cache cache_salt cache_control prompt_cache_max_len prompt_cache_isolation_key
n_cache_reuse id_slot slot_id n_discard priority ttl keep_alive draft_model speculation speculative_ngram
speculative.n_min speculative.n_max speculative.p_min prompt_lookup_num_tokens backend_sampling static_cache
generate_window stream_interval num_ctx max_context_length truncation_length context_length_exceeded_behavior
truncation_side guided_decoding_backend guided_decoding_disable_fallback perf_metrics_in_response
timings_per_token return_progress return_cached_tokens_details return_mm_kwargs usage verbose
spaces_between_special_tokens
"""

# How something works that another field turns on.
_OF_WHAT_IS_OFF = """
dry_base dry_allowed_length dry_sequence_breakers dry_penalty_last_n dry_range xtc_threshold dynatemp_exponent
temp_exponent smoothing_curve adaptive_decay parallel_tool_calls shift
"""

# Where a request goes, and what becomes of it on its way.
_ON_THE_WAY = """
model_list models route provider quantizations allow_fallbacks fallbacks context_window_fallbacks transforms
api_base base_url api_key api_version custom_llm_provider deployment_id drop_params additional_drop_params
timeout request_timeout num_retries max_retries caching no-log input_cost_per_token output_cost_per_token genkey
quiet bootstrap_host bootstrap_port bootstrap_room routed_dp_rank disagg_prefill_dp_rank data_parallel_rank
kv_transfer_params ec_transfer_params ngram_corpus_id reasoning_split tool_stream disable_tool_validation
"""

HARMLESS = frozenset(f"{_OF_THE_CLIENT}{_OF_COMPUTING}{_OF_WHAT_IS_OFF}{_ON_THE_WAY}".split())
