"""One way to ask both generating APIs, and readers of what they have in common."""

from __future__ import annotations

from typing import Any

from tests.http.handlers.serving import COMPLETIONS, HELLO, Client, events, post

FREE: dict[str, Any] = {
    "temperature": 1.5,
    "top_k": 0,
    "top_p": 1,
    "min_p": 0,
    "repeat_penalty": 1,
    "max_tokens": 24,
    "seed": 7,
}
"""Sampling without any filter."""

GREEDY: dict[str, Any] = FREE | {"temperature": 0}


def body_of(path: str, **fields: Any) -> dict[str, Any]:
    """Return a request that asks the same of either API."""
    return ({"prompt": "Hello"} if path == COMPLETIONS else {"messages": HELLO}) | fields


async def ask(client: Client, path: str, **fields: Any) -> Any:
    """Return the answer to a request that must succeed."""
    return await answered(client, path, **body_of(path, **fields))


async def answered(client: Client, path: str, **body: Any) -> Any:
    """Return the answer to a body of any operation that must succeed."""
    status, answer = await post(client, path, body)
    assert status == 200, answer
    return answer


async def ids(client: Client, text: str, **fields: Any) -> list[int]:
    """Return the token ids of a text."""
    return list((await answered(client, "/extras/tokenize", input=text, **fields))["tokens"])


async def refused(client: Client, path: str, body: Any) -> tuple[int, str]:
    """Return status and named field of the answer to a request that must fail."""
    status, answer = await post(client, path, body)
    assert status != 200, answer
    return status, answer["error"]["param"]


async def said(client: Client, path: str, **fields: Any) -> str:
    """Return the text of the only choice."""
    (text,) = texts(await ask(client, path, **fields))
    return text


async def drawn(client: Client, path: str, **fields: Any) -> list[str]:
    """Return the only choice's tokens."""
    wanted = {"logprobs": 0} if path == COMPLETIONS else {"logprobs": True}
    (choice,) = (await ask(client, path, **fields | wanted))["choices"]
    if path == COMPLETIONS:
        return list(choice["logprobs"]["tokens"])
    return [token["token"] for token in choice["logprobs"]["content"]]


def texts(answer: Any) -> list[str]:
    """Return the text of each choice."""
    return [choice["text"] if "text" in choice else choice["message"]["content"] for choice in answer["choices"]]


async def streamed(client: Client, path: str, **fields: Any) -> list[Any]:
    """Return the chunks of a stream without the [DONE] at its end."""
    response = await client.post(path, json=body_of(path, **fields))
    assert response.content_type.startswith("text/event-stream"), await response.get_data(as_text=True)
    *chunks, done = events(await response.get_data(as_text=True))
    assert done == "[DONE]"
    return chunks
