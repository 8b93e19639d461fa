"""What every client is asked, and the same asked over plain HTTP, to compare with what the client makes of it."""

from __future__ import annotations

from typing import Any, Literal

import httpx
from pydantic import BaseModel, Field

from tests.e2e.server_process import ServerProcess

KEY = "k3y"
REFERENCE = "reference"
CHAT = "smollm2-135m-instruct"
EMBEDDING = "all-minilm-l6-v2"

HELLO = "Say hello to the birds."
FRANCE = "What is the capital of France?"
OVERLONG = "word " * 5000
"""More than the 512 tokens of the reference model."""

MAX_TOKENS = 12
MAX_STRUCTURED_TOKENS = 120


class Capital(BaseModel):  # small: with what a client makes of it, it must fit the reference model's context
    city: Literal["Paris"]


class City(BaseModel):
    name: str = Field(max_length=30)
    country: str = Field(max_length=30)


PARIS = Capital(city="Paris")
"""The only answer that the schema allows, whatever the model would rather say."""


def ask(server: ServerProcess, path: str, **body: Any) -> Any:
    """Post a body to an operation and return the parsed answer, which must be a success."""
    answer = httpx.post(f"{server.url}/v1/{path}", json=body, headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
    answer.raise_for_status()
    return answer.json()


def hello(server: ServerProcess) -> Any:
    """Return the answer to ``HELLO`` as chat, at temperature 0."""
    messages = [{"role": "user", "content": HELLO}]
    return ask(server, "chat/completions", messages=messages, max_tokens=MAX_TOKENS, temperature=0)


def hello_text(server: ServerProcess) -> str:
    text: str = hello(server)["choices"][0]["message"]["content"]
    return text


def completion_text(server: ServerProcess) -> str:
    """Return what follows ``HELLO`` as a plain completion, at temperature 0."""
    answer = ask(server, "completions", prompt=HELLO, max_tokens=MAX_TOKENS, temperature=0)
    text: str = answer["choices"][0]["text"]
    return text


def vector(server: ServerProcess, text: str) -> list[float]:
    found: list[float] = ask(server, "embeddings", input=text, encoding_format="float")["data"][0]["embedding"]
    return found
