"""The faults that are planted, one at a time, each with the check that must catch it."""

from __future__ import annotations

from dataclasses import replace

from tests.conformance.kit.auth_faults import AUTH_FAULTS
from tests.conformance.kit.changes import (
    choice_edited,
    coerce,
    count_alike,
    crash_on_text,
    cut_arguments,
    cut_prompt,
    cut_the_end,
    each_choice,
    edited,
    raise_logprobs,
    refuse_unknown,
    same_call_id,
    stretched,
    usage,
    without_n,
)
from tests.conformance.kit.choice_faults import CHOICE_FAULTS
from tests.conformance.kit.conversation_faults import CONVERSATION_FAULTS
from tests.conformance.kit.drawn_faults import DRAWN_FAULTS
from tests.conformance.kit.edge_faults import EDGE_FAULTS
from tests.conformance.kit.faults import (
    Fault,
    answering,
    as_json,
    as_plain_text,
    dropping,
    failing,
    streaming,
    with_status,
    without_header,
)
from tests.conformance.kit.image_faults import IMAGE_FAULTS
from tests.conformance.kit.member_faults import MEMBER_FAULTS
from tests.conformance.kit.messages_faults import MESSAGES_FAULTS
from tests.conformance.kit.ollama_faults import OLLAMA_FAULTS
from tests.conformance.kit.reasoning_faults import REASONING_FAULTS
from tests.conformance.kit.response_faults import RESPONSE_FAULTS
from tests.conformance.kit.sampling_faults import SAMPLING_FAULTS
from tests.conformance.kit.smaller_servers import tell_no_length
from tests.conformance.kit.text_faults import TEXT_FAULTS
from tests.conformance.kit.together_faults import TOGETHER_FAULTS
from tests.conformance.kit.twin_faults import TWIN_FAULTS
from tests.conformance.kit.wider_faults import WIDER_FAULTS

AN_ERROR = 'data: {"error": {"message": "m", "type": "server_error", "param": null, "code": null}}'

FAULTS: list[Fault] = [
    *MEMBER_FAULTS,
    *TWIN_FAULTS,
    *AUTH_FAULTS,
    *CHOICE_FAULTS,
    *SAMPLING_FAULTS,
    *TEXT_FAULTS,
    *IMAGE_FAULTS,
    *REASONING_FAULTS,
    *RESPONSE_FAULTS,
    *WIDER_FAULTS,
    *CONVERSATION_FAULTS,
    *EDGE_FAULTS,
    *DRAWN_FAULTS,
    *TOGETHER_FAULTS,
    *MESSAGES_FAULTS,
    *OLLAMA_FAULTS,
    dropping("seed", "field.completions.seed"),
    replace(dropping("seed", "seed.repeats"), name="forgets_seeds"),
    dropping("n", "field.chat.n"),
    dropping("stop", "stop.never_leaks"),
    dropping("temperature", "field.chat.temperature"),
    dropping("top_k", "field.completions.top_k"),
    dropping("top_p", "field.completions.top_p"),
    dropping("min_p", "field.chat.min_p"),
    dropping("mirostat_mode", "field.completions.mirostat_mode"),
    dropping("mirostat_tau", "field.completions.mirostat_tau"),
    dropping("mirostat_eta", "field.chat.mirostat_eta"),
    dropping("repeat_penalty", "field.completions.repeat_penalty"),
    dropping("presence_penalty", "field.completions.presence_penalty"),
    dropping("frequency_penalty", "field.chat.frequency_penalty"),
    dropping("logit_bias", "field.completions.logit_bias"),
    dropping("logit_bias_type", "field.completions.logit_bias_type"),
    dropping("grammar", "grammar.is_followed"),
    dropping("response_format", "schema_output.is_valid"),
    dropping("tools", "field.chat.tools"),
    dropping("tool_choice", "tools.named_is_called"),
    dropping("functions", "field.chat.functions"),
    dropping("parallel_tool_calls", "field.chat.parallel_tool_calls"),
    dropping("best_of", "field.completions.best_of"),
    dropping("echo", "field.completions.echo"),
    dropping("suffix", "field.completions.suffix"),
    dropping("max_tokens", "field.completions.max_tokens"),
    dropping("min_tokens", "field.completions.min_tokens"),
    dropping("max_completion_tokens", "field.chat.max_completion_tokens"),
    dropping("stream_options", "field.chat.stream_options"),
    dropping("logprobs", "field.completions.logprobs"),
    dropping("user", "field.chat.user"),
    dropping("encoding_format", "field.embeddings.encoding_format"),
    dropping("stream", "field.completions.stream"),
    streaming("no_done", "stream.ends_with_done", lambda frames: frames[:-1]),
    streaming("two_dones", "stream.ends_with_done", lambda frames: [*frames, frames[-1]]),
    streaming("done_after_an_error", "stream.ends_with_done", lambda frames: [*frames[:-1], AN_ERROR, frames[-1]]),
    streaming("names_no_field_of_events", "stream.is_server_sent_events", lambda fs: [frame[6:] for frame in fs]),
    streaming(
        "streams_no_objects", "stream.is_server_sent_events", lambda fs: ['data: "x"' for _ in fs[:-1]] + fs[-1:]
    ),
    Fault("cuts_the_last_event", "stream.ends_with_done", after=cut_the_end),
    streaming("loses_an_event", "stream.deltas_are_the_text", lambda frames: frames[:3] + frames[4:]),
    streaming(
        "ends_every_chunk",
        "stream.has_one_finish_reason",
        lambda frames: [choice_edited(frame, finish_reason="stop") for frame in frames[:-1]] + frames[-1:],
    ),
    streaming(
        "renames_the_answer",
        "stream.is_one_answer",
        lambda frames: [edited(frame, id=str(i)) for i, frame in enumerate(frames[:-1])] + frames[-1:],
    ),
    streaming("has_no_role", "stream.chat_begins_with_the_role", lambda frames: frames[1:]),
    streaming(
        "says_one_role_for_all_choices",
        "stream.chat_begins_with_the_role",
        lambda frames: [
            frame for frame in frames if '"role"' not in frame or '"index": 0' in frame.replace(":0", ": 0")
        ],
    ),
    Fault("streams_as_json", "stream.is_server_sent_events", after=as_json),
    Fault("stores_streams", "stream.is_not_stored", after=without_header("cache-control")),
    answering("total_is_off", "usage.adds_up", lambda _, answer: usage(answer, total_tokens=1)),
    answering("counts_nine_in_any_prompt", "usage.counts_the_prompt", count_alike),
    answering(
        "prompt_is_off",
        "usage.counts_what_tokenize_counts",
        lambda _, answer: usage(answer, prompt_tokens=1, total_tokens=1),
    ),
    answering(
        "completion_is_off",
        "usage.counts_every_token",
        lambda _, answer: usage(answer, completion_tokens=1, total_tokens=1),
    ),
    answering(
        "always_stops",
        "stop.is_told",
        lambda _, answer: each_choice(answer, lambda choice: choice.update(finish_reason="stop")),
    ),
    answering("raises_logprobs", "logprobs.are_probabilities", lambda _, answer: each_choice(answer, raise_logprobs)),
    answering("repeats_call_ids", "tools.ids_are_unique", lambda _, answer: each_choice(answer, same_call_id)),
    answering("cuts_arguments", "tools.required_is_called", lambda _, answer: each_choice(answer, cut_arguments)),
    answering("stretches_vectors", "embeddings.are_normalised", stretched),
    answering(
        "counts_one_more",
        "tokenize.count_is_its_length",
        lambda e, answer: {"count": answer["count"] + 1} if e.path.endswith("count") else answer,
    ),
    answering("hides_n", "field.completions.n", without_n),
    failing("500_for_422", "refusal.schema_violation_is_422", 422, with_status(500)),
    failing("200_for_400", "grammar.bad_is_refused", 400, with_status(200)),
    failing("plain_text_errors", "refusal.is_an_openai_error", 422, as_plain_text),
    failing("crashes_on_wrong_types", "refusal.schema_violation_is_4xx", 422, with_status(500)),
    failing("html_404", "refusal.unknown_path", 404, as_plain_text),
    Fault("cuts_prompts", "overflow.is_a_400", before=cut_prompt),
    Fault("cuts_prompts_and_tells_no_length", "overflow.is_a_400", before=cut_prompt, after=tell_no_length),
    Fault("refuses_unknown_fields", "refusal.unknown_fields_are_accepted", before=refuse_unknown),
    Fault("coerces_types", "refusal.types_are_json_schemas", before=coerce),
    Fault("crashes_on_text", "schema.post_extras_tokenize.not_a_server_error", after=crash_on_text),
    Fault("leaks_slots", "connection.leaving_frees_the_slot"),
    Fault("cuts_streams", "connection.streams_are_independent"),
    Fault("serves_a_connection_once", "http.connection_may_be_used_again"),
    Fault("reads_no_chunks", "http.body_may_come_in_chunks"),
    Fault("counts_characters", "http.length_is_of_bytes"),
    Fault("hangs", "seed.repeats"),
]
"""The last ones are of connections; broken_server has them by name."""
