"""Fields that completions or chat alone have."""

from __future__ import annotations

from typing import Any

from jan_ort_conformance.http.check_tools.answers import joined, texts
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    FREE,
    GREEDY,
    HELLO,
    PROMPT,
    TOKENIZE,
    Asker,
    body_of,
    choice_of,
    expect_effect,
    tool,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import Level, expect


def _of(path: str, *names: str) -> list[str]:
    """Return the fields as checks name them."""
    return [f"{path} {name}" for name in names]


@check("field.completions.prompt", level=Level.CORE, detects=_of(COMPLETIONS, "prompt"))
def prompt(server: Asker) -> None:
    """The text depends on the prompt, and each prompt of a list has its choice."""
    one, other = (server.said(COMPLETIONS, **GREEDY, prompt=each) for each in ("Hello", "1, 2, 3, 4"))
    expect_effect(one != other, f"two prompts both give {one!r}")
    both = server.ask(COMPLETIONS, **GREEDY, prompt=["Hello", "1, 2, 3, 4"])
    expect_effect(texts(both) == [one, other], f"a list of two prompts gives {texts(both)}, each alone {[one, other]}")


@check("field.completions.prompt_token_ids", needs=[f"{COMPLETIONS} prompt"])
def prompt_token_ids(server: Asker) -> None:
    """A prompt of token ids says what its text says."""
    token_ids = server.token_ids(PROMPT)
    as_text, as_ids = (server.said(COMPLETIONS, **GREEDY, prompt=each) for each in (PROMPT, token_ids))
    expect(as_text == as_ids, f"as text {as_text!r}, as token ids {as_ids!r}")


@check("field.completions.suffix", optional="suffix", detects=_of(COMPLETIONS, "suffix"))
def suffix(server: Asker) -> None:
    """The text depends on the suffix, or a model that cannot fill in the middle refuses it by name."""
    none, one, other = (server.said(COMPLETIONS, **GREEDY, suffix=each) for each in (None, " the end", " 1, 2, 3"))
    expect_effect(len({none, one, other}) == 3, f"no suffix and two others give {[none, one, other]}")


@check("field.completions.echo", detects=_of(COMPLETIONS, "echo"))
def echo(server: Asker) -> None:
    """echo puts the prompt in front, also in a stream."""
    plain = server.said(COMPLETIONS, **GREEDY, echo=False)
    echoed = server.said(COMPLETIONS, **GREEDY, echo=True)
    expect_effect(echoed == PROMPT + plain, f"with echo {echoed!r}, without {plain!r}")
    streamed = joined(server.stream(COMPLETIONS, **GREEDY, echo=True))
    expect(streamed == echoed, f"with echo plainly {echoed!r}, streamed {streamed!r}")


@check("field.completions.logprobs", detects=_of(COMPLETIONS, "logprobs"))
def logprobs(server: Asker) -> None:
    """logprobs is how many alternatives each token has; without it there are none."""
    for count in (1, 4):
        answer = server.ask(COMPLETIONS, **FREE, logprobs=count)["choices"][0]["logprobs"]
        expect_effect(answer is not None, f"logprobs {count} gives none")
        sizes = {len(top) for top in answer["top_logprobs"]}
        expect_effect(sizes <= {count, count + 1}, f"logprobs {count} gives {sizes} alternatives")
    none = server.ask(COMPLETIONS, **FREE)["choices"][0].get("logprobs")
    expect_effect(none is None, f"without the field there are logprobs: {none}")


@check("field.completions.best_of", detects=_of(COMPLETIONS, "best_of"))
def best_of(server: Asker) -> None:
    """Of best_of candidates the likeliest is given: in some of several seeds it is not the first."""
    changed = False
    for seed in range(6):
        fields = FREE | {"seed": seed}
        plain, best = (server.ask(COMPLETIONS, **fields, best_of=count) for count in (1, 5))
        expect(len(best["choices"]) == 1, f"best_of 5 gives {len(best['choices'])} choices")
        changed = changed or texts(plain) != texts(best)
    expect_effect(changed, "for six seeds best_of 5 gives the text of best_of 1")


@check("field.chat.messages", level=Level.CORE, detects=_of(CHAT, "messages"))
def messages(server: Asker) -> None:
    """The answer depends on every message, its role and their order."""
    yes, no = {"role": "user", "content": "Count to ten."}, {"role": "user", "content": "Write a poem."}
    conversations: list[Any] = [[yes], [no], [yes, no], [no, yes], [yes | {"role": "system"}, no]]
    fields = GREEDY | ({"logprobs": True} if server.declaration.has(f"{CHAT} logprobs") else {})
    answers = [server.ask(CHAT, **fields, messages=each) for each in conversations]
    seen = {(*texts(answer), answer["usage"]["prompt_tokens"], _first_logprobs(answer)) for answer in answers}
    told = f"{len(conversations)} conversations give {len(seen)} texts, prompt lengths and logprobs: {sorted(seen)}"
    expect_effect(len(seen) == len(conversations), f"{told}; a model of a short memory may not tell them apart")


def _first_logprobs(answer: Any) -> tuple[float, ...]:
    """Return the logprobs of a chat's first tokens: a model that soon forgets gives one text with others of these."""
    logprobs = answer["choices"][0].get("logprobs") or {"content": ()}
    return tuple(round(each["logprob"], 5) for each in logprobs["content"][:3])


@check("field.chat.content_parts", needs=[f"{CHAT} messages"])
def content_parts(server: Asker) -> None:
    """Text parts say what their joined text says; below strict a space or line ends may stand between them."""
    begin, end = str(HELLO[0]["content"])[:4], str(HELLO[0]["content"])[4:]
    between = ("",) if server.level is Level.STRICT else ("", " ", "\n", "\n\n")

    def said(content: object) -> str:
        return server.said(CHAT, **GREEDY, messages=[{"role": "user", "content": content}])

    in_parts = said([{"type": "text", "text": begin}, {"type": "text", "text": end}])
    plain = {begin + each + end: said(begin + each + end) for each in between}
    expect_effect(in_parts in plain.values(), f"plainly {plain}, in parts {in_parts!r}")


@check("field.chat.logprobs", detects=_of(CHAT, "logprobs", "top_logprobs"))
def chat_logprobs(server: Asker) -> None:
    """logprobs gives them, top_logprobs says how many alternatives each has."""
    for count in (4, 1, 0):
        given = server.ask(CHAT, **FREE, logprobs=True, top_logprobs=count)["choices"][0]["logprobs"]
        expect_effect(given is not None, "logprobs true gives none")
        sizes = {len(each["top_logprobs"]) for each in given["content"]}
        expect_effect(not count or sizes != {0}, f"top_logprobs {count} gives no alternatives")
        expect(sizes == {count}, f"top_logprobs {count} gives {sizes}")
    none = server.ask(CHAT, **FREE, logprobs=False)["choices"][0].get("logprobs")
    expect_effect(none is None, f"logprobs false gives {none}")


@check("field.chat.max_completion_tokens", detects=_of(CHAT, "max_completion_tokens"))
def max_completion_tokens(server: Asker) -> None:
    """max_completion_tokens ends the text, as max_tokens does."""
    fields = {name: value for name, value in GREEDY.items() if name != "max_tokens"} | {"min_tokens": 0}
    count = server.ask(CHAT, **fields, max_completion_tokens=4)["usage"]["completion_tokens"]
    expect_effect(count == 4, f"max_completion_tokens 4 gives {count} tokens")


def _response_format(path: str, server: Asker) -> None:
    """text is as without, a schema changes the text."""
    fields = GREEDY | {"min_tokens": 0}
    form = {"type": "json_object", "schema": {"const": 5}}
    none = server.said(path, **fields)
    text, five = (server.said(path, **fields, response_format=each) for each in ({"type": "text"}, form))
    expect_effect(none == text, f"without {none!r}, with text {text!r}")
    expect_effect(five.strip() == "5", f"a schema of 5 gives {five!r}")


@check("field.chat.response_format", detects=_of(CHAT, "response_format"))
def response_format(server: Asker) -> None:
    """text is as without, a schema changes the text."""
    _response_format(CHAT, server)


@check("field.completions.response_format", detects=_of(COMPLETIONS, "response_format"))
def response_format_of_completions(server: Asker) -> None:
    """text is as without, a schema changes the text."""
    _response_format(COMPLETIONS, server)


@check("field.chat.tools", detects=_of(CHAT, "tools"))
def tools(server: Asker) -> None:
    """Tools are part of the prompt: more of them are more tokens."""
    offers: list[dict[str, Any]] = [{}, {"tools": [tool("look")]}, {"tools": [tool("look"), tool("take")]}]
    none, one, two = (server.ask(CHAT, **GREEDY, **each)["usage"]["prompt_tokens"] for each in offers)
    told = f"no, one and two tools are prompts of {none}, {one} and {two} tokens"
    if none == one == two:
        named = server.ask(CHAT, **GREEDY | {"min_tokens": 0}, **offers[1], tool_choice=choice_of("look"))
        expect_effect(bool(named["choices"][0]["message"].get("tool_calls")), f"{told}, and none is called by its name")
    expect(none < one < two, told)


@check("field.chat.tool_choice", detects=_of(CHAT, "tool_choice"))
def tool_choice(server: Asker) -> None:
    """none makes no call, a name makes one."""
    fields = FREE | {"max_tokens": 120, "min_tokens": 0, "tools": [tool("look")]}
    calls = [
        bool(server.ask(CHAT, **fields, tool_choice=each)["choices"][0]["message"].get("tool_calls"))
        for each in ("none", choice_of("look"))
    ]
    expect_effect(calls == [False, True], f"calls with none and with the name: {calls}")


@check("field.chat.parallel_tool_calls", detects=_of(CHAT, "parallel_tool_calls"))
def parallel_tool_calls(server: Asker) -> None:
    """false gives one call at most, whatever the seed."""
    fields = FREE | {"max_tokens": 120, "min_tokens": 0, "tools": [tool("look")], "tool_choice": "required"}
    newline = {}
    if server.declaration.has(TOKENIZE):  # in many formats a new line leads to the next call
        newline = {"logit_bias": {str(server.token_ids("\n")[-1]): 100}}
    counts = [
        len(server.ask(CHAT, **fields, **newline, parallel_tool_calls=False)["choices"][0]["message"]["tool_calls"])
        for _ in range(3)
    ]
    expect_effect(set(counts) == {1}, f"without parallel calls there are {counts}")
    server.refused(CHAT, body_of(CHAT, tools=[tool("look")], parallel_tool_calls=1), *server.invalid(CHAT))


@check("field.chat.functions", detects=_of(CHAT, "functions", "function_call"))
def functions(server: Asker) -> None:
    """functions and function_call, the older spelling, make a function_call."""
    offer = {"functions": [tool("look", "a")["function"], tool("take", "b")["function"]]}
    fields = FREE | {"max_tokens": 120, "min_tokens": 0}
    for name, value in (("look", "a"), ("take", "b")):
        message = server.ask(CHAT, **fields, **offer, function_call={"name": name})["choices"][0]["message"]
        call = message.get("function_call") or {}
        expect_effect(call.get("name") == name, f"{name!r} should be called: {message}")
        expect(value in str(call.get("arguments")), f"the arguments are {call.get('arguments')!r}")
