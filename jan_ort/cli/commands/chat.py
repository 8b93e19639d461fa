"""``jan-ort chat``: a conversation in the terminal, or the answer to one question."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.lazy_group import is_verbose
from jan_ort.cli.commands.setting_options import CLIENT_KEY, setting_options
from jan_ort.cli.saying import say
from jan_ort.cli.terminal_chat.answer_view import view_for_output
from jan_ort.cli.terminal_chat.chat_model import ChatModel
from jan_ort.cli.terminal_chat.conversation import Conversation
from jan_ort.cli.terminal_chat.dialogue import talk
from jan_ort.cli.terminal_chat.exchange import ChatError, ChatServer
from jan_ort.cli.terminal_chat.image_file import image_part
from jan_ort.cli.terminal_chat.kept_chats import history_path
from jan_ort.cli.terminal_chat.line_input import line_input
from jan_ort.ground import progress
from jan_ort.plugins.choice import BACKEND_LISTS
from jan_ort.settings.schema import Settings

_MODEL_SETTINGS = ("model", "weights", "context_length", "cache_dir")
_SETTINGS = (*_MODEL_SETTINGS, "backend", "backend_option", *BACKEND_LISTS, "api_key", "config")


def _check_temperature(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 <= value < math.inf:
        raise click.BadParameter(f"{value} is not a finite number of 0 or more")
    return value


def _check_text(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse what a terminal wrote in another encoding than its locale's: such letters are no text."""
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        raise click.BadParameter(
            f"{value!r} is not in the encoding of the locale ({encoding}); set PYTHONUTF8=1 for UTF-8"
        ) from None
    return value


@click.command()
@click.argument("question", required=False, callback=_check_text)
@click.option("--url", help="A running server, such as http://127.0.0.1:8000; otherwise the model is loaded here.")
@click.option("--system", callback=_check_text, help="System prompt.")
@click.option(
    "--temperature",
    type=float,
    callback=_check_temperature,
    help="0 always takes the most likely token; by default what the model's authors recommend.",
)
@click.option(
    "--image",
    "images",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Image for the first question, if the model reads images. May be given several times.",
)
@click.option("--max-tokens", type=click.IntRange(min=1), help="Maximum length of an answer in tokens.")
@setting_options(_SETTINGS, CLIENT_KEY)
def chat(
    *,
    question: str | None,
    url: str | None,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
    images: tuple[Path, ...],
    **flags: Any,
) -> None:
    """Chat with a model, or write its answer to QUESTION; "-" reads the question from standard input."""
    quiet = not is_verbose()
    if quiet:  # the server's log is no part of the conversation; what takes long is still shown
        logging.getLogger().setLevel(logging.WARNING)
        progress.logger.setLevel(logging.INFO)
    options = {"temperature": temperature, "max_tokens": max_tokens}
    given = {name: value for name, value in options.items() if value is not None}
    question = _read_input() if question == "-" else question
    parts = _image_parts(images)
    with reported(), _reported_chat(), _model(url, flags, given, quiet=quiet) as model:
        conversation = Conversation(model, system, parts, view_for_output())
        if question is None:
            talk(conversation, line_input(history_path()))
        elif not conversation.ask(question):
            raise click.Abort


def _image_parts(paths: tuple[Path, ...]) -> list[dict[str, Any]]:
    """Return the pictures as parts of a message. Raises: UsageError."""
    try:
        return [image_part(path) for path in paths]
    except ChatError as error:
        raise click.UsageError(f"--image {error}") from error


def _read_input() -> str:
    """Return standard input, which is text in UTF-8 whatever the terminal's encoding. Raises: UsageError."""
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"standard input is not UTF-8: {error}") from error


@contextmanager
def _model(url: str | None, flags: dict[str, Any], options: dict[str, Any], *, quiet: bool) -> Iterator[ChatModel]:
    settings = Settings.read(**flags)
    server: ChatServer
    name = None
    if url is not None:
        from jan_ort.cli.terminal_chat.remote_server import RemoteServer

        name = (flags["model"] or (None,))[
            0
        ]  # as a name of that server; what is configured for serving here is none of its business
        server = RemoteServer(url, settings.api_key.get_secret_value() if settings.api_key else None)
    else:
        from jan_ort.cli.terminal_chat.local_model import LocalModels, quieten

        if quiet:
            quieten()
        if sys.stderr.isatty():
            say("Loading the model… (Ctrl-C to cancel)", err=True)
        server = LocalModels(settings)
    try:
        yield ChatModel(server, name, options)
    finally:
        server.close()


@contextmanager
def _reported_chat() -> Iterator[None]:
    try:
        yield
    except ChatError as error:
        raise click.ClickException(str(error)) from error
