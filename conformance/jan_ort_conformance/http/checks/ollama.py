"""Ollama's API: what tools that know only Ollama read of answers, lines and errors."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from jan_ort_conformance.http.check_tools.asker import (
    HELLO,
    OLLAMA_CHAT,
    OLLAMA_EMBED,
    OLLAMA_EMBEDDINGS,
    OLLAMA_GENERATE,
    OLLAMA_SHOW,
    PROMPT,
    Asker,
    expect_effect,
    tool,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.check_tools.ollama_values import (
    WRONG_IN_CHATS,
    WRONG_IN_INPUTS,
    WRONG_IN_NAMES,
    WRONG_IN_PROMPTS,
    WRONG_IN_TEXTS,
    Fields,
)
from jan_ort_conformance.http.check_tools.other_sampling import expect_sampling
from jan_ort_conformance.http.check_tools.profile import Profile
from jan_ort_conformance.http.checks.models_tokens_embeddings import near
from jan_ort_conformance.verdicts.verdict import Level, expect

TAGS, PS, VERSION = "/api/tags", "/api/ps", "/api/version"
PROFILE = Profile(
    "ollama", (OLLAMA_CHAT, OLLAMA_GENERATE, OLLAMA_EMBED, OLLAMA_EMBEDDINGS, OLLAMA_SHOW, TAGS, PS, VERSION)
)

TOLD = "Every morning a grey heron stands on the bridge and looks at the water. " * 3
GREEDY: Fields = {"temperature": 0, "num_predict": 24}
BODY: dict[str, Fields] = {
    OLLAMA_CHAT: {"messages": HELLO, "options": GREEDY},
    OLLAMA_GENERATE: {"prompt": PROMPT, "options": GREEDY},
    OLLAMA_EMBED: {"input": PROMPT},
    OLLAMA_EMBEDDINGS: {"prompt": PROMPT},
    OLLAMA_SHOW: {},
}
WRONG = {
    OLLAMA_CHAT: WRONG_IN_CHATS,
    OLLAMA_GENERATE: WRONG_IN_PROMPTS,
    OLLAMA_EMBED: WRONG_IN_INPUTS,
    OLLAMA_EMBEDDINGS: WRONG_IN_TEXTS,
    OLLAMA_SHOW: WRONG_IN_NAMES,
}


def answered(server: Asker, path: str, **fields: Any) -> Any:
    """Return the whole answer to a request."""
    server.has_compared = True
    return server.answered(path, BODY[path] | fields | {"stream": False})


def text_of(answer: Any) -> str:
    """Return the text of an answer, or of a line."""
    return str(answer["message"]["content"] if "message" in answer else answer["response"])


def said(server: Asker, path: str = OLLAMA_CHAT, **options: Any) -> str:
    """Return the text of an answer with these options."""
    return text_of(answered(server, path, options=GREEDY | options))


@check("ollama.answers", level=Level.CORE, needs=[OLLAMA_CHAT, OLLAMA_GENERATE])
def ollama_answers(server: Asker) -> None:
    """A chat and a prompt are answered whole where stream is false, with what they took."""
    for path in (OLLAMA_CHAT, OLLAMA_GENERATE):
        answer = answered(server, path, options=GREEDY | {"num_predict": 3})
        told = answer["done"], answer["done_reason"], answer["eval_count"]
        expect(told == (True, "length", 3), f"at 3 tokens the end is told as {told}")
        expect(answer["prompt_eval_count"] > 0 and bool(text_of(answer)), f"the answer is {answer}")


@check("ollama.lines", level=Level.CORE, needs=[f"{OLLAMA_CHAT} stream", f"{OLLAMA_GENERATE} stream"])
def ollama_lines(server: Asker) -> None:
    """Without a word of stream an answer comes in lines of JSON, which together say what the whole one does."""
    for path in (OLLAMA_CHAT, OLLAMA_GENERATE):
        whole = answered(server, path)
        answer = server.served(path, BODY[path])
        kind = answer.headers.get("content-type", "")
        expect(kind.startswith("application/x-ndjson"), f"the content type is {kind!r}")
        lines = [json.loads(line) for line in answer.text.splitlines()]
        expect([each["done"] for each in lines[-2:]] == [False, True], f"the last lines are {lines[-2:]}")
        expect(len(lines) > 2, f"24 tokens come in {len(lines)} lines")
        told = "".join(map(text_of, lines)), lines[-1]["done_reason"], lines[-1]["eval_count"]
        plain = text_of(whole), whole["done_reason"], whole["eval_count"]
        expect(told == plain, f"the lines say {told}, the whole answer {plain}")


@check("ollama.options", needs=[f"{OLLAMA_CHAT} options"])
def ollama_options(server: Asker) -> None:
    """Options of sampling change the text, a seed repeats it, and a stop ends it."""
    expect_sampling(partial(said, server))
    whole = said(server)
    stop = whole[8:12]
    expect_effect(said(server, stop=[stop]) == whole[: whole.index(stop)], f"{stop!r} does not end {whole!r}")


@check("ollama.format", needs=[f"{OLLAMA_CHAT} format", f"{OLLAMA_GENERATE} format"])
def ollama_format(server: Asker) -> None:
    """The text follows the schema of format."""
    schema = {"type": "object", "properties": {"at": {"const": 1}}, "required": ["at"]}
    for path in (OLLAMA_CHAT, OLLAMA_GENERATE):
        text = text_of(answered(server, path, format=schema, options=GREEDY | {"num_predict": 200}))
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        expect_effect(isinstance(found, dict) and found.get("at") == 1, f"the text of the schema is {text!r}")


@check("ollama.tools_are_told", needs=[f"{OLLAMA_CHAT} tools"])
def ollama_tools_are_told(server: Asker) -> None:
    """A tool is in the prompt."""
    one = {"num_predict": 1}
    plain = answered(server, OLLAMA_CHAT, options=one)["prompt_eval_count"]
    offered = answered(server, OLLAMA_CHAT, options=one, tools=[tool("look")])["prompt_eval_count"]
    expect_effect(offered > plain, f"without a tool the prompt has {plain} tokens, with one {offered}")


@check("ollama.prompts", needs=[f"{OLLAMA_GENERATE} raw", f"{OLLAMA_GENERATE} system"])
def ollama_prompts(server: Asker) -> None:
    """A raw prompt goes around the chat template, and a system prompt is a part of the prompt."""
    one = {"num_predict": 1}
    plain = answered(server, OLLAMA_GENERATE, options=one)["prompt_eval_count"]
    raw = answered(server, OLLAMA_GENERATE, options=one, raw=True)["prompt_eval_count"]
    more = answered(server, OLLAMA_GENERATE, options=one, system="Be brief.")["prompt_eval_count"]
    expect_effect(raw != plain, f"raw and not, the prompt has {plain} tokens")
    expect_effect(more != plain, f"with a system prompt and without, the prompt has {plain} tokens")


@check("ollama.counts_what_was_kept", needs=[OLLAMA_CHAT, OLLAMA_GENERATE])
def ollama_counts_what_was_kept(server: Asker) -> None:
    """A prompt has as many tokens when it comes again, kept or not, and more with something before it."""
    for path, field in ((OLLAMA_CHAT, "messages"), (OLLAMA_GENERATE, "prompt")):
        counts = []
        for text in (TOLD, TOLD, f"Yesterday, or so they say. {TOLD}"):
            asked = text if field == "prompt" else [{"role": "user", "content": text}]
            counts.append(answered(server, path, **{field: asked}, options={"num_predict": 1})["prompt_eval_count"])
        expect(counts[0] == counts[1] < counts[2], f"{path}: a prompt, again, and a longer one have {counts} tokens")


@check("ollama.embeds", needs=[OLLAMA_EMBED, OLLAMA_EMBEDDINGS])
def ollama_embeds(server: Asker) -> None:
    """Each text has its own vector, the same alone and in company, and by the older operation."""
    texts = ["a cat", "a dog"]
    both = server.answered(OLLAMA_EMBED, {"input": texts})["embeddings"]
    alone = server.answered(OLLAMA_EMBED, {"input": texts[0]})["embeddings"]
    older = server.answered(OLLAMA_EMBEDDINGS, {"prompt": texts[0]})["embedding"]
    expect(len(both) == 2 and len(alone) == 1, f"two texts have {len(both)} vectors, and one {len(alone)}")
    expect_effect(both[0] != both[1], "two texts have the same vector")
    expect(near(both[0], alone[0]) and near(alone[0], older), "a text has several vectors")


@check("ollama.models", level=Level.CORE, needs=[TAGS, PS, VERSION, OLLAMA_SHOW])
def ollama_models(server: Asker) -> None:
    """The list of models names them, and each can be shown; the version is one."""
    tags, loaded, version = (server.target.ask("GET", path).json for path in (TAGS, PS, VERSION))
    names = [each["name"] for each in tags["models"]]
    expect(bool(names), f"the list of models is {tags}")
    expect({each["name"] for each in loaded["models"]} <= set(names), f"{loaded} are loaded, and not listed")
    expect(all(part.isdecimal() for part in version["version"].split(".")), f"the version is {version}")
    for name in names:
        able = server.answered(OLLAMA_SHOW, {"model": name})["capabilities"]
        expect(isinstance(able, list) and bool(able), f"{name} can be asked for {able}")


@check(
    "ollama.members_are_read",
    needs=[OLLAMA_CHAT],
    fields=[f"{path} {name}" for path, wrong in WRONG.items() for name, _ in wrong],
)
def ollama_members_are_read(server: Asker) -> None:
    """A wrong value of any field or member is refused with 400, in this API's shape."""
    answered(server, OLLAMA_CHAT)
    for path, known in WRONG.items():
        for name, fields in known:
            if not server.is_absent(path) and server.declaration.has(f"{path} {name}"):
                body = BODY[path] | fields
                answer = server.post(path, body)
                expect(answer.status == 400, f"{json.dumps(body)[:300]} must be refused; the answer is {answer}")
                told = answer.json.get("error")
                expect(isinstance(told, str) and bool(told), f"the answer has no error of this API: {answer}")
