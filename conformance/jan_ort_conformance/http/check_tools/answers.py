"""Readers of answers: texts, tokens, errors and the chunks of streams."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable
from typing import Any

from jan_ort_conformance.http.server.events import events_of
from jan_ort_conformance.http.server.target import Answer
from jan_ort_conformance.verdicts.verdict import Violation, expect

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, struct.error)
"""What a check ends with that reads an answer of another shape."""


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


class NoErrorObject(Violation):
    """Raised when a refusal has no OpenAI error object, or one without some of its members."""


class NoDone(Violation):
    """Raised when a stream has no [DONE] at its end."""


def error_of(answer: Answer) -> dict[str, Any]:
    """Return the OpenAI error object. Raises: NoErrorObject if the answer has none."""
    try:
        error = answer.json["error"]
        missing = {"message", "type", "param", "code"} - error.keys()
        told = isinstance(error.get("message"), str) and bool(error["message"])
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise NoErrorObject(f"the answer has no OpenAI error object: {answer}") from cause
    if missing or not told:
        raise NoErrorObject(f"the error lacks {sorted(missing) or 'a text as its message'}: {error}")
    return dict(error)


def frames_of(answer: Answer) -> list[str]:
    """Return the data of each event. Raises: Violation for what is no stream of events."""
    expect(answer.is_stream, f"the content type should be text/event-stream: {answer.headers.get('content-type')!r}")
    return events_of(answer.body)


def chunks_of(answer: Answer) -> list[Any]:
    """Return the parsed events before the [DONE], which must be there and the last."""
    return parsed(frames_of(answer))


def read_chunks(answer: Answer) -> list[Any]:
    """Return the parsed events of a stream, whether a [DONE] is at its end or not: one check is about that."""
    return parsed([*(payload for payload in frames_of(answer) if payload != "[DONE]"), "[DONE]"])


def parsed(payloads: list[str]) -> list[Any]:
    """Return the chunks of a stream's events, the last of which must be the only [DONE]."""
    last = payloads[-1] if payloads else "nothing"
    if last != "[DONE]":
        raise NoDone(f"the stream should end with [DONE] and ends with {last[:200]!r}")
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
