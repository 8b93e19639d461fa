"""Every check of the HTTP kit, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable

from jan_ort_conformance.http.check_tools.http_check import CHECKS, HttpCheck
from jan_ort_conformance.http.checks import (
    answer_fields,
    answers_in_time,
    authentication,
    calls_in_full,
    choices,
    concurrent_clients,
    conversations,
    echoed_texts,
    ends_of_texts,
    fields_of_one_operation,
    http_messages,
    logprobs,
    models_tokens_embeddings,
    nested_fields,
    plain_answers,
    ranking,
    reasoning,
    refused_requests,
    repeated_prompts,
    requests_in_company,
    sampling_by_logprobs,
    sampling_fields,
    schema_keywords_and_calls,
    side_doors,
    silent_limits,
    stops_in_full,
    streams,
    structured_output,
    tokens_embeddings_in_full,
    usages_of_streams,
    vectors_in_full,
)
from jan_ort_conformance.verdicts.selection import chosen, in_order
from jan_ort_conformance.verdicts.verdict import Level

IN_ORDER = (
    streams,
    plain_answers,
    choices,
    ends_of_texts,
    stops_in_full,
    usages_of_streams,
    answers_in_time,
    silent_limits,
    logprobs,
    echoed_texts,
    repeated_prompts,
    sampling_by_logprobs,
    structured_output,
    schema_keywords_and_calls,
    calls_in_full,
    conversations,
    reasoning,
    authentication,
    side_doors,
    refused_requests,
    concurrent_clients,
    requests_in_company,
    http_messages,
    sampling_fields,
    answer_fields,
    fields_of_one_operation,
    nested_fields,
    models_tokens_embeddings,
    tokens_embeddings_in_full,
    vectors_in_full,
    ranking,
)


def registered() -> list[HttpCheck]:
    """Return every HTTP check."""
    return in_order(CHECKS.values(), IN_ORDER)


def selected(level: Level, only: Iterable[str] = ()) -> list[HttpCheck]:
    """Return the checks of ``level`` and below whose id matches one of the patterns, if there are any."""
    return chosen(registered(), level, tuple(only))
