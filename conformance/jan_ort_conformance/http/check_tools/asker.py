"""The questions that checks ask, for any server and any model, and readers of the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from jan_ort_conformance.http.server.declaration import Declaration
from jan_ort_conformance.http.server.events import events_of
from jan_ort_conformance.http.server.target import Answer, Target
from jan_ort_conformance.verdicts.verdict import Level, Violation, expect

COMPLETIONS = "/v1/completions"
CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
MODELS = "/v1/models"
TOKENIZE = "/extras/tokenize"
COUNT = "/extras/tokenize/count"
DETOKENIZE = "/extras/detokenize"
GENERATING = (COMPLETIONS, CHAT)
NAMES = {COMPLETIONS: "completions", CHAT: "chat"}

FREE: dict[str, Any] = {
    "temperature": 1.5,
    "top_k": 0,
    "top_p": 1,
    "min_p": 0,
    "repeat_penalty": 1,
    "max_tokens": 24,
    "min_tokens": 24,
    "seed": 7,
}
"""Sampling without any filter, so that another seed is another text."""

GREEDY: dict[str, Any] = FREE | {"temperature": 0}

PROMPT = "Once upon a time there was"
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Tell me a story."}]


class Absent(Violation):
    """Raised when what the server declares has no effect: LIES."""


class Untold(Violation):
    """Raised when a check cannot show anything: what it needs for that is not declared."""


class Refused(Violation):
    """Raised when a request that should be served is answered otherwise; its error may declare what is missing."""

    def __init__(self, answer: Answer, sent: str) -> None:
        super().__init__(f"{sent} should be served; the answer is {answer}")
        self.answer = answer


class Asker:
    """A target with what it declares, and one method for each kind of question."""

    def __init__(self, target: Target, declaration: Declaration, level: Level = Level.FULL) -> None:
        self.target = target
        self.declaration = declaration
        self.level = level

    def post(self, path: str, body: object, **options: Any) -> Answer:
        """Return the answer, whatever it is."""
        return self.target.ask("POST", path, body, **options)

    def answered(self, path: str, body: object) -> Any:
        """Return the JSON of the answer to a body that must be served. Raises: Refused, Violation."""
        answer = self.post(path, body)
        if answer.status != 200:
            raise Refused(answer, f"POST {path} {json.dumps(body)[:300]}")
        try:
            return answer.json
        except ValueError as error:
            raise Violation(f"the answer is no JSON: {answer}") from error

    def ask(self, path: str, **fields: Any) -> Any:
        """Return the answer of completions or chat to the same question."""
        return self.answered(path, body_of(path, **fields))

    def said(self, path: str, **fields: Any) -> str:
        """Return the text of the only choice."""
        found = texts(self.ask(path, **fields))
        expect(len(found) == 1, f"there should be one choice, not {len(found)}")
        return found[0]

    def drawn(self, path: str, **fields: Any) -> list[bytes]:
        """Return the bytes of each token of the only choice; none of a token that has no text."""
        wanted = {"logprobs": 0} if path == COMPLETIONS else {"logprobs": True}
        logprobs = self.ask(path, **fields | wanted)["choices"][0]["logprobs"]
        expect(logprobs is not None, "logprobs were asked for and are null")
        return bytes_of(logprobs)

    def stream(self, path: str, **fields: Any) -> list[Any]:
        """Return the chunks of a stream, without the [DONE] at its end."""
        body = body_of(path, **fields) | {"stream": True}
        answer = self.post(path, body)
        if answer.status != 200:
            raise Refused(answer, f"POST {path} {json.dumps(body)[:300]}")
        return chunks_of(answer)

    def token_ids(self, text: str) -> list[int]:
        """Return the ids of a text's tokens. Raises: Untold where the server does not declare that it tells them."""
        if not self.declaration.has(TOKENIZE):
            raise Untold(f"{TOKENIZE}, which is not declared, would tell the ids of tokens")
        return list(self.answered(TOKENIZE, {"input": text})["tokens"])

    def refused(self, path: str, body: object, *statuses: int) -> dict[str, Any]:
        """Return the error object of the answer to a body that must be refused with one of the statuses."""
        answer = self.post(path, body)
        told = f"POST {path} {str(body)[:300]}"
        if answer.status in (404, 405, 501) and answer.status not in statuses:
            raise Refused(answer, told)  # the operation is not there
        expect(answer.status in statuses, f"{told} should be answered {statuses}; the answer is {answer}")
        return error_of(answer)


def expect_effect(condition: bool, detail: str) -> None:
    """Report a field or feature as declared but absent unless the condition holds."""
    if not condition:
        raise Absent(detail)


def body_of(path: str, **fields: Any) -> dict[str, Any]:
    """Return a request that asks the same of completions and of chat."""
    return ({"prompt": PROMPT} if path == COMPLETIONS else {"messages": HELLO}) | fields


def tool(name: str, value: object = 1) -> dict[str, Any]:
    """Return a tool whose only argument can have but one value."""
    parameters = {"type": "object", "properties": {"at": {"const": value}}, "required": ["at"]}
    return {"type": "function", "function": {"name": name, "description": "Look.", "parameters": parameters}}


def choice_of(name: str) -> dict[str, Any]:
    """Return the tool_choice that names one."""
    return {"type": "function", "function": {"name": name}}


def texts(answer: Any) -> list[str]:
    """Return the text of each choice."""
    return [text_of(choice) for choice in answer["choices"]]


def text_of(choice: Any) -> str:
    """Return the text of a choice; a chat's content may be null."""
    return str((choice["text"] if "text" in choice else choice["message"]["content"]) or "")


def tokens_of(logprobs: Any) -> list[str]:
    """Return the tokens of the logprobs of completions or chat."""
    return list(logprobs["tokens"]) if "tokens" in logprobs else [each["token"] for each in logprobs["content"]]


def bytes_of(logprobs: Any) -> list[bytes]:
    """Return the bytes of each token of the logprobs; a chat's text of them is U+FFFD for every half character."""
    if "tokens" in logprobs:
        return [token_bytes(str(token)) for token in logprobs["tokens"]]
    return [
        token_bytes(str(each["token"])) if each.get("bytes") is None else bytes(each["bytes"])
        for each in logprobs["content"]
    ]


def token_bytes(token: str) -> bytes:
    r"""Return the bytes of a token of completions; ``bytes:\xe2\x80`` is how half a character is spelled there."""
    if re.fullmatch(r"bytes:(\\x[0-9a-fA-F]{2})+", token):
        return bytes.fromhex(token.removeprefix("bytes:").replace("\\x", ""))
    return token.encode(errors="surrogatepass")


def readings(pieces: Iterable[bytes]) -> set[str]:
    """Return the texts that tokens may make together: with, or more often without, the names of special tokens."""
    whole = list(pieces)
    plain = [piece for piece in whole if not re.fullmatch(rb"<\|[^|]+\|>|</?[a-z_]+>|\[[A-Z]+\]", piece)]
    return {b"".join(each).decode(errors="replace") for each in (whole, plain)}


def error_of(answer: Answer) -> dict[str, Any]:
    """Return the OpenAI error object. Raises: Violation if the answer has none."""
    try:
        error = answer.json["error"]
        expect({"message", "type", "param", "code"} <= error.keys(), f"the error lacks a member: {error}")
        expect(isinstance(error["message"], str) and bool(error["message"]), f"the error has no message: {error}")
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise Violation(f"the answer has no OpenAI error object: {answer}") from cause
    return dict(error)


def frames_of(answer: Answer) -> list[str]:
    """Return the data of each event. Raises: Violation for what is no stream of events."""
    expect(answer.is_stream, f"the content type should be text/event-stream: {answer.headers.get('content-type')!r}")
    return events_of(answer.body)


def chunks_of(answer: Answer) -> list[Any]:
    """Return the parsed events before the [DONE], which must be there and the last."""
    return parsed(frames_of(answer))


def parsed(payloads: list[str]) -> list[Any]:
    """Return the chunks of a stream's events, the last of which must be the only [DONE]."""
    last = payloads[-1] if payloads else "nothing"
    expect(last == "[DONE]", f"the stream should end with [DONE] and ends with {last[:200]!r}")
    expect(payloads.count("[DONE]") == 1, "there should be one [DONE]")
    chunks = [json.loads(payload) for payload in payloads[:-1]]
    failed = [chunk for chunk in chunks if isinstance(chunk, dict) and "error" in chunk]
    expect(not failed, f"a stream that fails should not end with [DONE], as if it were whole: {failed[:1]}")
    return chunks


def joined(chunks: list[Any], index: int = 0) -> str:
    """Return the text of one choice of a stream."""
    return "".join(
        str(choice["text"] if "text" in choice else choice["delta"].get("content") or "")
        for chunk in chunks
        for choice in chunk["choices"]
        if choice["index"] == index
    )
