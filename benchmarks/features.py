"""What each field costs on this server: tokens per second with it beside plain greedy decoding, in turns."""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from typing import Any

import httpx
from servers import Server, ours
from workloads import text

from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL

NUM_TOKENS = 96
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 4},
        "story": {"type": "string", "minLength": 400},
    },
    "required": ["name", "age", "tags", "story"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "write_story", "parameters": PERSON}}
GREEDY: dict[str, Any] = {"temperature": 0, "repeat_penalty": 1.0}
PLAIN = "plain greedy"
COMPLETIONS: dict[str, dict[str, Any]] = {
    PLAIN: GREEDY,
    "the document's defaults": {"seed": 1},
    "logprobs=5": GREEDY | {"logprobs": 5},
    "logit_bias, 20 tokens lowered": GREEDY | {"logit_bias": {str(at): -5.0 for at in range(300, 320)}},
    "logit_bias, 1 token raised": GREEDY | {"logit_bias": {"300": 1.0}},
    "top_k 0": {"seed": 1, "top_k": 0},
    "mirostat_mode 1": {"seed": 1, "mirostat_mode": 1},
    "mirostat_mode 2": {"seed": 1, "mirostat_mode": 2},
    "16 stop strings": GREEDY | {"stop": [f"stop word {at}" for at in range(16)]},
    "grammar, free text": GREEDY | {"grammar": r"root ::= [^\x00]+"},
    "stream": GREEDY | {"stream": True, "stream_options": {"include_usage": True}},
}
CHATS: dict[str, dict[str, Any]] = {
    "chat, plain greedy": GREEDY,
    "chat, json_object": GREEDY | {"response_format": {"type": "json_object"}},
    "chat, json_schema": GREEDY | {"response_format": {"type": "json_object", "schema": PERSON}},
    "chat, tool call required": GREEDY | {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
}


async def tokens_per_s(server: Server, path: str, body: dict[str, Any]) -> float:
    """Return the tokens per second of a request whose prompt is cached, the prompt's own time included."""
    async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:
        started = time.perf_counter()
        response = await client.post(path, json=body)
        elapsed = time.perf_counter() - started
        response.raise_for_status()
        if body.get("stream"):
            return NUM_TOKENS / elapsed
        return float(response.json()["usage"]["completion_tokens"] / elapsed)


def bodies(seed: int) -> dict[str, tuple[str, dict[str, Any]]]:
    prompt = text(random.Random(seed), 25)
    limits = {"max_tokens": NUM_TOKENS, "min_tokens": NUM_TOKENS}
    question = {"messages": [{"role": "user", "content": f"Tell me a long story of: {prompt}"}]}
    completions = {
        name: ("/v1/completions", {"prompt": prompt} | limits | fields) for name, fields in COMPLETIONS.items()
    }
    return completions | {name: ("/v1/chat/completions", question | limits | fields) for name, fields in CHATS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    options = parser.parse_args()
    server = ours(options.model)
    server.start()
    figures: dict[str, list[float]] = {}
    try:
        for seed in range(-1, options.rounds):  # the first round warms up and does not count
            for name, (path, body) in bodies(seed).items():
                asyncio.run(tokens_per_s(server, path, body | {"max_tokens": 1, "min_tokens": 0}))  # caches the prompt
                figures.setdefault(name, []).append(asyncio.run(tokens_per_s(server, path, body)))
    finally:
        server.stop()
    print(f"{'medians':34} {'tok/s':>8}   of plain greedy")
    for name, values in figures.items():
        plain = figures["chat, plain greedy" if name in CHATS else PLAIN]
        ratios = [value / base for value, base in zip(values[1:], plain[1:], strict=True)]
        print(f"{name:34} {statistics.median(values[1:]):8.1f}   {statistics.median(ratios):.2f} x")


if __name__ == "__main__":
    main()
