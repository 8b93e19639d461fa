"""The dialogue with the user: each text is a question, or one of the commands that begin with /."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from jan_ort.cli.saying import say
from jan_ort.cli.terminal_chat import kept_chats
from jan_ort.cli.terminal_chat.conversation import Conversation
from jan_ort.cli.terminal_chat.exchange import ChatError
from jan_ort.cli.terminal_chat.image_file import image_part
from jan_ort.cli.terminal_chat.line_input import LineInput, Typed
from jan_ort.cli.terminal_chat.safe_text import safe

Command = Callable[[Conversation, str], None]


def talk(conversation: Conversation, lines: LineInput) -> None:
    """Read and answer until the user leaves."""
    say(f"Chatting with {conversation.model.name}; /help lists the commands.", err=True)
    while (typed := lines.next()) is not None:
        if typed == Typed("/exit"):
            return
        try:
            _obey(conversation, typed)
        except ChatError as error:
            say(f"Error: {error}", err=True)
        except KeyboardInterrupt:
            say("(stopped)", err=True)


def _obey(conversation: Conversation, typed: Typed) -> None:
    if not typed.text:
        return
    if not typed.is_line or not typed.text.startswith("/"):
        _tell_end(conversation.ask(typed.text))
        return
    name, _, argument = typed.text.partition(" ")
    if name not in COMMANDS:
        raise ChatError(f'there is no command {name}; /help lists them, and """{typed.text}""" is a question')
    COMMANDS[name][2](conversation, argument.strip())


def _tell_end(is_whole: bool) -> None:
    if not is_whole:
        say("(stopped)", err=True)


def _model(conversation: Conversation, name: str) -> None:
    if name:
        conversation.model.switch(name)
    others = [each for each in conversation.model.names() if each != conversation.model.name]
    say(f"model: {conversation.model.name}" + (f"; there are also {', '.join(others)}" if others else ""), err=True)


def _system(conversation: Conversation, text: str) -> None:
    conversation.system = text or conversation.system
    say(f"system: {conversation.system or '-'}", err=True)


def _image(conversation: Conversation, path: str) -> None:
    if not path:
        raise ChatError("/image needs the path of a picture")
    conversation.images.append(image_part(Path(path).expanduser()))
    say(f"images for the next question: {len(conversation.images)}", err=True)


def _regenerate(conversation: Conversation, _: str) -> None:
    _tell_end(conversation.ask_again())


def _thought(conversation: Conversation, _: str) -> None:
    say(safe(conversation.thought).strip() or "the last answer has no reasoning", err=True)


def _save(conversation: Conversation, where: str) -> None:
    if not where:
        raise ChatError("/save needs a name, or a path that ends in .json")
    content = {"model": conversation.model.name, "system": conversation.system, "messages": conversation.messages}
    say(f"saved to {kept_chats.save(where, content)}", err=True)


def _load(conversation: Conversation, where: str) -> None:
    if not where:
        say(f"saved by name: {', '.join(kept_chats.names()) or 'none'}", err=True)
        return
    content = kept_chats.load(where)
    conversation.system = content["system"]
    conversation.restart(content["messages"])
    say(f"{len(conversation.messages)} messages", err=True)


def _clear(conversation: Conversation, _: str) -> None:
    conversation.restart()
    say("forgotten", err=True)


def _help(_: Conversation, __: str) -> None:
    rows = [(usage, text) for usage, text, _ in COMMANDS.values()] + _OTHER_HELP
    say("\n".join(f"{usage:<17}{text}" for usage, text in rows), err=True)


COMMANDS: Mapping[str, tuple[str, str, Command]] = {
    "/model": ("/model [NAME]", "show the models, or switch to another one", _model),
    "/system": ("/system [TEXT]", "show the system prompt, or set it", _system),
    "/image": ("/image PATH", "send a picture with the next question", _image),
    "/regenerate": ("/regenerate", "answer the last question again", _regenerate),
    "/thought": ("/thought", "show the reasoning before the last answer", _thought),
    "/save": ("/save NAME", "save the conversation by name, or to a path that ends in .json", _save),
    "/load": ("/load [NAME]", "continue a saved conversation, or list them", _load),
    "/clear": ("/clear", "forget the conversation, and images not sent yet", _clear),
    "/help": ("/help", "show this", _help),
}
"""Each with how it is used, and what it does."""

_OTHER_HELP = [
    ("/exit", "leave (or Ctrl-D)"),
    ('"""', 'start a text of several lines, ended by """'),
    ("Ctrl-C", "stop an answer"),
]
