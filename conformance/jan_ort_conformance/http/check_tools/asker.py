"""The questions that checks ask, for any server and any model, and readers of the answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from jan_ort_conformance.http.check_tools.answers import bytes_of, chunks_of, error_of, read_chunks, texts
from jan_ort_conformance.http.server.declaration import TASKS, Declaration, Standing
from jan_ort_conformance.http.server.target import Answer, Target
from jan_ort_conformance.verdicts.verdict import Level, Violation, expect

COMPLETIONS = "/v1/completions"
CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
RERANK, SCORE = "/v1/rerank", "/v1/score"
MESSAGES, COUNT_MESSAGE = "/v1/messages", "/v1/messages/count_tokens"
OLLAMA_CHAT, OLLAMA_GENERATE, OLLAMA_EMBED = "/api/chat", "/api/generate", "/api/embed"
OLLAMA_EMBEDDINGS, OLLAMA_SHOW = "/api/embeddings", "/api/show"
RESPONSES = "/v1/responses"
MODELS = "/v1/models"
TOKENIZE = "/extras/tokenize"
COUNT = "/extras/tokenize/count"
DETOKENIZE = "/extras/detokenize"
GENERATING = (COMPLETIONS, CHAT)
EITHER = ("|".join(GENERATING),)
"""The need of a check that asks whichever of the two is there."""
NAMES = {COMPLETIONS: "completions", CHAT: "chat"}

FREE: dict[str, Any] = {
    "temperature": 1.5,
    "top_k": 0,
    "top_p": 1,
    "min_p": 0,
    "repeat_penalty": 1,
    "max_tokens": 24,
    "min_tokens": 24,
    "seed": 7,
}
"""Sampling without any filter, so that another seed is another text."""

GREEDY: dict[str, Any] = FREE | {"temperature": 0}

_USUAL = {"top_k": 0, "min_p": 0, "repeat_penalty": 1}
"""Fields of others than OpenAI by which FREE turns off what a server may do unasked."""

PROMPT = "Once upon a time there was"
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Tell me a story."}]
_SMALL: dict[str, dict[str, Any]] = {
    COMPLETIONS: {"prompt": PROMPT, "max_tokens": 1},
    CHAT: {"messages": HELLO, "max_tokens": 1},
    EMBEDDINGS: {"input": PROMPT},
    RERANK: {"query": PROMPT, "documents": [PROMPT]},
    RESPONSES: {"input": PROMPT, "max_output_tokens": 16},
    SCORE: {"text_1": PROMPT, "text_2": PROMPT},
    MESSAGES: {"messages": HELLO, "max_tokens": 1},
    COUNT_MESSAGE: {"messages": HELLO},
    OLLAMA_CHAT: {"messages": HELLO, "options": {"num_predict": 1}},
    OLLAMA_GENERATE: {"prompt": PROMPT, "options": {"num_predict": 1}},
    OLLAMA_EMBED: {"input": PROMPT},
    OLLAMA_EMBEDDINGS: {"prompt": PROMPT},
}
"""The smallest question of each operation of a model."""

ABSENT = (404, 405, 501)
"""The statuses that say that an operation is not there."""


class Absent(Violation):
    """Raised when what the server declares has no effect: LIES."""


class Untold(Violation):
    """Raised when a check cannot show anything: what it needs for that is not declared."""


class Refused(Violation):
    """Raised when a request that should be served is answered otherwise; its error may declare what is missing."""

    def __init__(self, answer: Answer, sent: str) -> None:
        super().__init__(f"{sent} should be served; the answer is {answer}")
        self.answer, self.sent = answer, sent

    def told(self) -> str:
        """Return what was asked and what came, without saying that it should be served."""
        return f"{self.sent} is answered {self.answer}"


class Asker:
    """A target with what it declares, and one method for each kind of question."""

    def __init__(self, target: Target, declaration: Declaration, level: Level = Level.FULL) -> None:
        self.target = target
        self.declaration = declaration
        self.level = level
        self.needs: frozenset[str] = frozenset()
        self.sent: set[str] = set()
        """The fields of the bodies that the check has sent, as "/v1/completions seed"; "prompt[]" is a list as one."""
        self.has_compared = False
        """Whether the check has read texts, which it compares."""
        self.has_unclear_stop = False
        """Whether it has sent a stop string that holds U+FFFD, of which nobody can tell which bytes it stands for."""
        self._absent: dict[str, bool] = {}

    def begin(self, needs: Iterable[str]) -> None:
        """Take what a check asks from here on for its own: ``needs`` are the fields that it is about."""
        self.needs, self.sent = frozenset(needs), set()
        self.has_compared = self.has_unclear_stop = False

    def post(self, path: str, body: object, **options: Any) -> Answer:
        """Return the answer, whatever it is. The question names a model, and leaves out what is not declared."""
        return self.target.ask("POST", path, self._sent(path, body), **options)

    @contextmanager
    def opened(self, path: str, **fields: Any) -> Iterator[Iterator[bytes]]:
        """Ask for a stream and yield its bytes as they come; leaving the block leaves it. Raises: Refused."""
        body = self._sent(path, body_of(path, **fields, stream=True))
        with self.target.open("POST", path, body) as response:
            if response.status_code != 200:
                answer = Answer(response.status_code, response.headers, response.read(), 0.0)
                raise Refused(answer, self._told(path, body))
            yield response.iter_bytes()

    def _sent(self, path: str, body: object) -> object:
        """Return the body as it is sent, and note its fields."""
        if not isinstance(body, dict) or path not in TASKS:
            return body
        fitting = self._fitting(path, body)
        self.sent |= {f"{path} {name}" for name in fitting}
        self.sent |= {f"{path} {name}[]" for name in ("prompt", "input") if isinstance(fitting.get(name), list)}
        self.has_unclear_stop |= "\ufffd" in str(fitting.get("stop"))
        return fitting

    def _fitting(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body without the usual fields that this server has not and the check is not about."""

        def is_usual(name: str, value: object) -> bool:
            unasked = f"{path} {name}" not in self.needs and not self.declaration.has(f"{path} {name}")
            return unasked and (name == "min_tokens" or (name in _USUAL and value == _USUAL[name]))

        named = {"model": self.declaration.model_for(path)}
        return named | {name: value for name, value in body.items() if not is_usual(name, value)}

    def _told(self, path: str, body: object) -> str:
        """Return the head of what was sent."""
        sent = self._fitting(path, body) if isinstance(body, dict) and path in TASKS else body
        return f"POST {path} {json.dumps(sent) if isinstance(sent, dict) else sent!r}"[:360]

    def invalid(self, path: str) -> tuple[int, ...]:
        """Return the statuses of a body that violates the schema: OpenAI's 400, and what most frameworks have, 422.

        At the level strict it is 422 where the server's own document has it so.
        """
        operation = self.declaration.document["paths"].get(path, {}).get("post", {})
        declares = self.declaration.serves_document and "422" in operation.get("responses", {})
        return (422,) if declares and self.level is Level.STRICT else (400, 404, 422)

    def generating(self, *names: str) -> list[str]:
        """Return those of completions and chat that are there, and may be asked for these fields."""
        return [
            path
            for path in GENERATING
            if not self.is_absent(path) and all(self.declaration.has(f"{path} {name}") for name in names)
        ]

    def is_absent(self, path: str) -> bool:
        """Whether an operation that the server itself has not declared is not there, asked as it should be."""
        if self.declaration.standing(path) is Standing.DECLARED:
            return False
        if path not in self._absent:
            asked = path.replace("{model}", self.declaration.models.get("generate", "x"))
            body = self._fitting(path, _SMALL[path]) if path in TASKS else {}
            answers = (self.target.ask(method, asked, each) for method, each in (("POST", body), ("GET", None)))
            self._absent[path] = all(answer.status in ABSENT for answer in answers)
        return self._absent[path]

    def answered(self, path: str, body: object) -> Any:
        """Return the JSON of the answer to a body that must be served. Raises: Refused, Violation."""
        answer = self.served(path, body)
        try:
            return answer.json
        except ValueError as error:
            raise Violation(f"the answer is not JSON: {answer}") from error

    def served(self, path: str, body: object) -> Answer:
        """Return the answer to a body that must be served. Raises: Refused."""
        answer = self.post(path, body)
        if answer.status != 200:
            raise Refused(answer, self._told(path, body))
        return answer

    def ask(self, path: str, **fields: Any) -> Any:
        """Return the answer of completions or chat to the same question."""
        return self.answered(path, body_of(path, **fields))

    def said(self, path: str, **fields: Any) -> str:
        """Return the text of the only choice."""
        found = self.all_said(path, **fields)
        expect(len(found) == 1, f"there should be one choice, not {len(found)}")
        return found[0]

    def all_said(self, path: str, **fields: Any) -> list[str]:
        """Return the text of each choice."""
        self.has_compared = True
        return texts(self.ask(path, **fields))

    def drawn(self, path: str, **fields: Any) -> list[bytes]:
        """Return the bytes of each token of the only choice; none of a token that has no text."""
        self.has_compared = True
        wanted = {"logprobs": 0} if path == COMPLETIONS else {"logprobs": True}
        logprobs = self.ask(path, **fields | wanted)["choices"][0]["logprobs"]
        expect_effect(bool(logprobs), "logprobs were asked for and are null")
        return bytes_of(logprobs)

    def stream(self, path: str, **fields: Any) -> list[Any]:
        """Return the chunks of a stream, without the [DONE] at its end."""
        answer = self.served(path, body_of(path, **fields) | {"stream": True})
        return chunks_of(answer) if self.level is Level.STRICT else read_chunks(answer)

    def token_ids(self, text: str) -> list[int]:
        """Return the ids of a text's tokens. Raises: Untold where the server does not declare that it tells them."""
        if not self.declaration.has(TOKENIZE):
            raise Untold(f"{TOKENIZE}, which is not declared, would tell the ids of tokens")
        return list(self.answered(TOKENIZE, {"input": text})["tokens"])

    def refused(self, path: str, body: object, *statuses: int) -> dict[str, Any]:
        """Return the error object of the answer to a body that must be refused with one of the statuses."""
        answer = self.post(path, body)
        told = self._told(path, body)
        if answer.status in ABSENT and answer.status not in statuses:
            raise Refused(answer, told)  # the operation is not there
        expect(answer.status in statuses, f"{told} should be answered {statuses}; the answer is {answer}")
        return error_of(answer)


def expect_effect(condition: bool, detail: str) -> None:
    """Report a field or feature as declared but absent unless the condition holds."""
    if not condition:
        raise Absent(detail)


def body_of(path: str, **fields: Any) -> dict[str, Any]:
    """Return a request that asks the same of completions and of chat."""
    return ({"prompt": PROMPT} if path == COMPLETIONS else {"messages": HELLO}) | fields


def tool(name: str, value: object = 1) -> dict[str, Any]:
    """Return a tool whose only argument can have but one value."""
    parameters = {"type": "object", "properties": {"at": {"const": value}}, "required": ["at"]}
    return {"type": "function", "function": {"name": name, "description": "Look.", "parameters": parameters}}


def choice_of(name: str) -> dict[str, Any]:
    """Return the tool_choice that names one."""
    return {"type": "function", "function": {"name": name}}
