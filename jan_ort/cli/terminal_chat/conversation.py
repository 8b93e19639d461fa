"""A conversation: what was said so far, and the model that goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from jan_ort.cli.terminal_chat.answer_view import AnswerView, PlainView
from jan_ort.cli.terminal_chat.chat_model import ChatModel, Message
from jan_ort.cli.terminal_chat.exchange import ChatError


class Conversation:
    """The messages so far, and the ``model`` that answers. ``images`` are content parts for the next question.

    ``thought`` is what the model thought before its last answer.
    """

    def __init__(
        self,
        model: ChatModel,
        system: str | None = None,
        images: Sequence[dict[str, Any]] = (),
        view: Callable[[], AnswerView] = PlainView,
    ) -> None:
        self.model = model
        self.system = system
        self.images = list(images)
        self.messages: list[Message] = []
        self.thought = ""
        self._view = view

    def ask(self, question: str) -> bool:
        """Show the answer to a question; False if Ctrl-C ended it. Raises: ChatError, and nothing was asked."""
        content = [*self.images, {"type": "text", "text": question}] if self.images else question
        is_whole = self._answer([*self.messages, {"role": "user", "content": content}])
        self.images.clear()
        return is_whole

    def ask_again(self) -> bool:
        """Show another answer to the last question, which replaces the one before. Raises: ChatError."""
        last = max((at for at, each in enumerate(self.messages) if each["role"] == "user"), default=None)
        if last is None:
            raise ChatError("no question was asked yet")
        return self._answer(self.messages[: last + 1])

    def restart(self, messages: Sequence[Message] = ()) -> None:
        """Go on from other messages, with no image that was to be sent and no thought of an earlier answer."""
        self.messages, self.thought = list(messages), ""
        self.images.clear()

    def _answer(self, messages: list[Message]) -> bool:
        """Show what the model says to ``messages``, which are the conversation then."""
        shown: list[str] = []
        thoughts: list[str] = []
        is_whole = True
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        with self._view() as view:

            def on_thought(thought: str) -> None:
                thoughts.append(thought)
                view.thought(thought)

            try:
                with closing(self.model.answer([*system, *messages], on_thought)) as texts:  # type: ignore[type-var]
                    for text in texts:
                        view.text(text)
                        shown.append(text)
            except KeyboardInterrupt:
                is_whole = False
        self.messages = [*messages, {"role": "assistant", "content": "".join(shown)}]
        self.thought = "".join(thoughts)
        return is_whole
