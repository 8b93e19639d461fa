"""Every check of the HTTP kit, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jan_ort_conformance.http.check_tools.http_check import CHECKS, HttpCheck
from jan_ort_conformance.http.check_tools.profile import BASE, Profile
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
    fields_together,
    http_messages,
    images,
    logprobs,
    messages,
    models_tokens_embeddings,
    nested_fields,
    ollama,
    plain_answers,
    ranking,
    reasoning,
    refused_requests,
    repeated_prompts,
    requests_in_company,
    responses,
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
    fields_together,
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
    images,
    ranking,
    messages,
    ollama,
    responses,
)


PROFILES: dict[str, Profile] = {
    profile.name: profile for module in IN_ORDER if (profile := getattr(module, "PROFILE", None)) is not None
}
"""Every profile beside BASE, by its name."""


def profile_of(path: str) -> str:
    """Return the name of the profile that an operation belongs to."""
    return next((each.name for each in PROFILES.values() if path in each.paths), BASE)


def registered() -> list[HttpCheck]:
    """Return every HTTP check."""
    return in_order(CHECKS.values(), IN_ORDER)


def selected(level: Level, only: Iterable[str] = (), profiles: Sequence[str] = ()) -> list[HttpCheck]:
    """Return the checks of ``level`` and below whose id matches one of the patterns, of these profiles, if any."""
    checks = chosen(registered(), level, tuple(only))
    return [entry for entry in checks if not profiles or entry.profile in profiles]
