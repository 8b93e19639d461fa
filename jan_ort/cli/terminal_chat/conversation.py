"""A conversation in the terminal: reads questions, shows answers, and obeys the few commands that begin with /."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import click

from jan_ort.cli.saying import say
from jan_ort.cli.terminal_chat.chat_model import ChatModel, Message
from jan_ort.cli.terminal_chat.exchange import ChatError

HELP = """\
/system TEXT  give the model this instruction; without TEXT, show it
/clear        forget the conversation
/exit         leave; so does Ctrl-D
Ctrl-C ends an answer."""

# A model's text must not steer the terminal: all control characters but tab and line feed are dropped.
_UNSAFE = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


class Conversation:
    """The messages so far, and the model that answers. ``images`` are content parts for the first question."""

    def __init__(self, model: ChatModel, system: str | None = None, images: Sequence[dict[str, Any]] = ()) -> None:
        self._model = model
        self._system = system
        self._images = list(images)
        self._messages: list[Message] = []

    def run(self) -> None:
        """Read and answer until the user leaves."""
        say(f"Chatting with {self._model.name}; /help lists the commands.", err=True)
        while (line := _read_line()) is not None:
            text = line.strip()
            if text == "/exit":
                return
            if text.startswith("/"):
                self._command(text)
            elif text:
                self._answer(text)

    def ask(self, question: str) -> bool:
        """Show the answer to one question; False if Ctrl-C ended it. Raises: ChatError."""
        content = [*self._images, {"type": "text", "text": question}] if self._images else question
        self._messages.append({"role": "user", "content": content})
        shown: list[str] = []
        is_whole = True
        try:
            with closing(self._model.answer(self._with_system(), _show_thought)) as texts:  # type: ignore[type-var]
                for text in texts:
                    click.echo(text.translate(_UNSAFE), nl=False)
                    shown.append(text)
        except KeyboardInterrupt:
            is_whole = False
        except ChatError:
            self._messages.pop()
            raise
        finally:
            say()
        self._messages.append({"role": "assistant", "content": "".join(shown)})
        self._images.clear()
        return is_whole

    def _answer(self, question: str) -> None:
        try:
            if not self.ask(question):
                say("(stopped)", err=True)
        except ChatError as error:
            say(f"Error: {error}", err=True)

    def _with_system(self) -> list[Message]:
        system = [] if self._system is None else [{"role": "system", "content": self._system}]
        return [*system, *self._messages]

    def _command(self, text: str) -> None:
        name, _, argument = text.partition(" ")
        if name == "/system":
            self._system = argument.strip() or self._system
            say(f"system: {self._system or '-'}", err=True)
        elif name == "/clear":
            self._messages.clear()
            say("forgotten", err=True)
        else:
            say(HELP if name == "/help" else f"there is no command {name}\n{HELP}", err=True)


def _show_thought(thought: str) -> None:
    """Show what the model thinks, dimmed and apart from the answer, which may be piped elsewhere."""
    click.echo(click.style(thought.translate(_UNSAFE), dim=True), nl=False, err=True)


def _read_line() -> str | None:
    """Return the next line, empty after Ctrl-C; None at the end of the input."""
    try:
        return input("> ")
    except KeyboardInterrupt:
        say("\n/exit or Ctrl-D leaves", err=True)
        return ""
    except EOFError:
        say()
        return None
