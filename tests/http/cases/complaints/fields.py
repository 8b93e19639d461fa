"""What is said of the fields of a request."""

from __future__ import annotations

from tests.http.cases.case_lines import COMPLAINTS, Line
from tests.http.fields.asking import GREEDY, answered, ask, refused, said
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, Client, post


@COMPLAINTS.of("F1")
async def the_newer_name_of_the_limit_is_honoured(client: Client, line: Line) -> None:
    answer = await ask(client, CHAT, max_completion_tokens=2, ignore_eos=True)

    assert answer["usage"]["completion_tokens"] == 2
    assert answer["choices"][0]["finish_reason"] == "length"


@COMPLAINTS.of("F2")
async def a_bias_of_no_token_is_refused(client: Client, line: Line) -> None:
    for key in ("999999999", "abc"):
        assert await refused(client, CHAT, {"messages": HELLO, "logit_bias": {key: 5}}) == (400, "logit_bias")
    assert await said(client, CHAT, **GREEDY)


@COMPLAINTS.of("F3")
async def an_echo_of_nothing_scores_the_prompt(client: Client, line: Line) -> None:
    await answered(client, COMPLETIONS, prompt=[""], max_tokens=1)
    answer = await answered(client, COMPLETIONS, prompt="one two", echo=True, max_tokens=0, logprobs=1)

    scores = answer["choices"][0]["logprobs"]["token_logprobs"]
    assert scores[0] is None
    assert len(scores) == answer["usage"]["prompt_tokens"]


@COMPLAINTS.of("F4")
async def log_probabilities_need_no_alternatives(client: Client, line: Line) -> None:
    answer = await ask(client, CHAT, **GREEDY, logprobs=True)

    tokens = answer["choices"][0]["logprobs"]["content"]
    assert tokens
    assert all(each["logprob"] <= 0 and each["top_logprobs"] == [] for each in tokens)


@COMPLAINTS.of("F5")
async def a_prompt_that_is_too_long_is_refused_with_both_numbers(client: Client, line: Line) -> None:
    for is_stream in (False, True):
        status, answer = await post(client, COMPLETIONS, {"prompt": [65] * 513, "stream": is_stream})
        assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
        assert "512" in answer["error"]["message"]
        assert "513" in answer["error"]["message"]


@COMPLAINTS.of("F8")
async def one_model_answers_to_any_name_as_the_docs_say(client: Client, line: Line) -> None:
    for body in ({"model": "nope", "messages": HELLO}, {"messages": HELLO}, {"messages": []}):
        await answered(client, CHAT, **body, max_tokens=1)


@COMPLAINTS.of("F9")
async def null_is_as_if_it_were_not_given(client: Client, line: Line) -> None:
    for name in (
        "temperature",
        "top_p",
        "stream",
        "parallel_tool_calls",
        "n",
        "stop",
        "seed",
        "tools",
        "response_format",
    ):
        await ask(client, CHAT, max_tokens=1, **{name: None})  # tests/http/test_client_nulls.py has all of them
