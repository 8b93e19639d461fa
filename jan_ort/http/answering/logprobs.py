"""Log-probabilities in the shapes of the two APIs (hop 9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from jan_ort.engine.events import TokenLogprobs
from jan_ort.models.tokenizer import TextTokenizer


def completion_logprobs(
    tokenizer: TextTokenizer, logprobs: Sequence[TokenLogprobs], *, first_token_id: int | None = None
) -> dict[str, Any]:
    """Return the ``CompletionLogprobs`` object; the chosen token is always among a position's alternatives.

    The largest of its lists comes as an iterator, as ``json_answer`` and ``sse.frame`` take it.
    ``first_token_id`` is the first token of an echoed prompt, which nothing predicts: its values are null.
    """
    first = [] if first_token_id is None else [first_token_id]
    return {
        "tokens": [_spell(tokenizer, token_id) for token_id in [*first, *(each.token_id for each in logprobs)]],
        "token_logprobs": [None for _ in first] + [each.logprob for each in logprobs],
        "top_logprobs": chain((None for _ in first), (_alternatives(tokenizer, each) for each in logprobs)),
        "text_offset": [0 for _ in first] + [each.text_offset for each in logprobs],
    }


def chat_logprobs(
    tokenizer: TextTokenizer, content: Sequence[TokenLogprobs], thought: Sequence[TokenLogprobs] = ()
) -> dict[str, Any]:
    """Return the ``ChatCompletionLogprobs`` object, with its lists as iterators; those of thoughts have their own."""
    thoughts = {"reasoning_content": chat_tokens(tokenizer, thought)} if thought else {}
    return {"content": chat_tokens(tokenizer, content), "refusal": None} | thoughts


def chat_tokens(tokenizer: TextTokenizer, logprobs: Sequence[TokenLogprobs]) -> Iterator[dict[str, Any]]:
    """Yield each token with its log-probability and the likeliest in its place, as chats and responses have them."""
    for each in logprobs:
        top = [_chat_token(tokenizer, token_id, logprob) for token_id, logprob in each.top]
        yield _chat_token(tokenizer, each.token_id, each.logprob) | {"top_logprobs": top}


def _alternatives(tokenizer: TextTokenizer, logprobs: TokenLogprobs) -> dict[str, float]:
    """Return the likeliest tokens of one position; tokens that read alike are told apart by their ids."""
    ranked = dict(logprobs.top) | {logprobs.token_id: logprobs.logprob}
    alternatives: dict[str, float] = {}
    for token_id, logprob in ranked.items():
        text = _spell(tokenizer, token_id)
        alternatives[f"{text} (token {token_id})" if text in alternatives else text] = logprob
    return alternatives


def _spell(tokenizer: TextTokenizer, token_id: int) -> str:
    """Return a token as text; one that is no whole character is spelled ``bytes:\\xe2\\x80``, as OpenAI does."""
    name = tokenizer.token_name_bytes(token_id)
    try:
        return name.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in name)


def _chat_token(tokenizer: TextTokenizer, token_id: int, logprob: float) -> dict[str, Any]:
    return {
        "token": tokenizer.token_text(token_id),
        "logprob": logprob,
        "bytes": list(tokenizer.token_name_bytes(token_id)),
    }
