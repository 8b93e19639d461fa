"""``jan-ort bench``: how long clients of a server wait, ours or any with OpenAI's API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from jan_ort.cli.bench.measuring import Bench, BenchError, Measured, first_model
from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.setting_options import CLIENT_KEY, setting_options
from jan_ort.cli.saying import say
from jan_ort.cli.terminal_chat.exchange import Answer, ChatError
from jan_ort.cli.terminal_chat.remote_server import RemoteServer
from jan_ort.cli.text_table import text_table
from jan_ort.settings.schema import Settings

_DEFAULT_CLIENTS = (1, 4, 16)
_COLUMNS = ("clients", "requests", "failed", "first p50", "first p99", "between p50", "between p99", "tokens/s")


@click.command()
@click.argument("url")
@click.option("--model", help="Model to use; by default the first in the server's list.")
@click.option(
    "--clients",
    type=click.IntRange(1, 256),
    multiple=True,
    default=_DEFAULT_CLIENTS,
    help="Number of concurrent clients; by default 1, 4 and 16. May be given several times.",
)
@click.option("--requests", type=click.IntRange(min=1), default=8, help="Requests per client; by default 8.")
@click.option(
    "--prompt-words", type=click.IntRange(1, 100_000), default=64, help="Prompt length in words; by default 64."
)
@click.option(
    "--max-tokens", type=click.IntRange(min=1), default=64, help="Maximum length of an answer in tokens; by default 64."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON: a list with the figures for each number of clients.")
@setting_options(("api_key", "config"), CLIENT_KEY)
def bench(
    *,
    url: str,
    model: str | None,
    clients: Sequence[int],
    requests: int,
    prompt_words: int,
    max_tokens: int,
    as_json: bool,
    **flags: Any,
) -> None:
    """Measure the server at URL: milliseconds to the first token and between tokens, median and 99th percentile.

    URL is one such as http://127.0.0.1:8000, with or without /v1. Every prompt is new to the server.
    """
    with reported():
        key = Settings.read_only(("api_key",), **flags).api_key
    try:
        send = _sending(RemoteServer(url, key.get_secret_value() if key else None))
        asked = Bench(send, model or first_model(send), prompt_words, max_tokens)
        _check(asked.measure(1, 1))  # which may load the model, and is no measurement
    except (BenchError, ChatError, OSError) as error:
        raise click.ClickException(str(error)) from error
    results = [asked.measure(number, number * requests) for number in clients]
    figures = [each.figures() for each in results]
    say(json.dumps(figures, indent=2) if as_json else _table(figures))
    for each in results:
        if each.failures:
            say(f"{len(each.failures)} requests of {each.num_clients} clients failed: {each.failures[0]}", err=True)
    if any(each.failures for each in results):
        raise click.exceptions.Exit(1)


def _sending(server: RemoteServer) -> Any:
    @contextmanager
    def send(method: str, path: str, body: bytes | None) -> Iterator[Answer]:
        try:
            with server.request(method, path, body) as answer:
                yield answer
        except ChatError as error:
            raise OSError(str(error)) from error

    return send


def _check(first: Measured) -> None:
    if first.failures:
        raise BenchError(f"the first request failed: {first.failures[0]}")


def _table(figures: Sequence[dict[str, float | int | None]]) -> str:
    rows = [tuple("-" if value is None else str(value) for value in each.values()) for each in figures]
    return text_table(_COLUMNS, rows) + "\nmilliseconds to the first token and between tokens"
