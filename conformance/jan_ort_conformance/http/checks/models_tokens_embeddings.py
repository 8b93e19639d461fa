"""Models, tokenizer and embeddings."""

from __future__ import annotations

import base64
import math
import struct
import time

from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COUNT,
    DETOKENIZE,
    EMBEDDINGS,
    GREEDY,
    HELLO,
    MODELS,
    TOKENIZE,
    Asker,
    expect_effect,
    tool,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import Level, expect

TEXTS = ("", "Hello", "naïve ☃ 𝄞")


@check("models.are_listed", level=Level.CORE, needs=[MODELS])
def are_listed(server: Asker) -> None:
    """The list of models has at least one, each with id, object and owner."""
    answer = server.target.ask("GET", MODELS)
    expect(answer.status == 200, f"the answer is {answer}")
    models = answer.json["data"]
    expect(bool(models), "no model is listed")
    expect(all(each["object"] == "model" and each["owned_by"] for each in models), f"the models are {models}")


@check("models.keep_their_created", needs=[MODELS])
def keep_their_created(server: Asker) -> None:
    """A model's created is when it was made, and not when it is asked for."""
    first = server.target.ask("GET", MODELS).json["data"]
    time.sleep(1.1)
    later = server.target.ask("GET", MODELS).json["data"]
    created, again = ({each["id"]: each["created"] for each in models} for models in (first, later))
    expect(created == again, f"created is {created}, and a second later {again}")


@check("field.models.model", needs=[f"{MODELS}/{{model}}"], fields=[f"{MODELS}/{{model}} model"])
def models_model(server: Asker) -> None:
    """A listed model is found by its id, and no other is."""
    name = server.target.ask("GET", MODELS).json["data"][0]["id"]
    found, other = (server.target.ask("GET", f"{MODELS}/{each}") for each in (name, "another"))
    expect(found.status == 200 and found.json["id"] == name, f"{name!r} is answered {found}")
    expect_effect(other.status == 404, f"a model that does not exist is answered {other}")


@check("tokenize.is_undone", level=Level.CORE, needs=[TOKENIZE, DETOKENIZE])
def tokenize_is_undone(server: Asker) -> None:
    """Detokenizing the tokens of a text gives the text, but for a space or a mark in front of it."""
    for text in TEXTS:
        back = server.answered(DETOKENIZE, {"tokens": server.token_ids(text)})["text"]
        expect(back.endswith(text), f"{text!r} comes back as {back!r}")


@check("field.tokenize.input", fields=[f"{TOKENIZE} input", f"{DETOKENIZE} tokens"], needs=[TOKENIZE, DETOKENIZE])
def tokenize_input(server: Asker) -> None:
    """Other texts have other tokens, and other tokens another text."""
    ids = [tuple(server.token_ids(text)) for text in TEXTS]
    back = {server.answered(DETOKENIZE, {"tokens": each})["text"] for each in ids}
    expect_effect(len(set(ids)) == len(back) == len(TEXTS), f"{len(TEXTS)} texts have the tokens {ids}")


@check("tokenize.count_is_its_length", level=Level.CORE, needs=[TOKENIZE, COUNT], fields=[f"{COUNT} input"])
def count_is_its_length(server: Asker) -> None:
    """The count is the number of tokens."""
    for text in TEXTS:
        count = server.answered(COUNT, {"input": text})["count"]
        length = len(server.token_ids(text))
        expect_effect(count == length, f"{text!r} has {length} tokens, counted {count}")


@check("field.count.messages", needs=[f"{COUNT} messages", CHAT], fields=[f"{COUNT} messages", f"{COUNT} tools"])
def count_messages(server: Asker) -> None:
    """The count of a conversation with tools is the prompt that a chat has of them."""
    for fields in ({}, {"tools": [tool("look")]}):
        count = server.answered(COUNT, {"messages": HELLO, **fields})["count"]
        usage = server.ask(CHAT, **GREEDY, **fields)["usage"]
        expect_effect(count == usage["prompt_tokens"], f"{list(fields)}: counted {count}, {usage}")


@check(
    "field.count.choices",
    needs=[f"{COUNT} tool_choice"],
    fields=[f"{COUNT} {name}" for name in ("tool_choice", "functions", "function_call")],
)
def count_choices(server: Asker) -> None:
    """none leaves tools out of the count; functions count as tools do."""
    offer: dict[str, object] = {"tools": [tool("look")]}
    old: dict[str, object] = {"functions": [tool("look")["function"]]}
    bodies: list[dict[str, object]] = [
        {}, {**offer, "tool_choice": "none"}, {**old, "function_call": "none"}, offer, old,
    ]  # fmt: skip
    none, *silent, new_count, old_count = (
        server.answered(COUNT, {"messages": HELLO, **body})["count"] for body in bodies
    )
    expect_effect(silent == [none, none], f"without tools {none}, with none {silent}")
    expect_effect(none < min(new_count, old_count), f"without {none}, tools {new_count}, functions {old_count}")


@check(
    "field.model_of_tokenizer",
    needs=[TOKENIZE, COUNT, DETOKENIZE],
    fields=[f"{path} model" for path in (TOKENIZE, COUNT, DETOKENIZE)],
)
def model_of_tokenizer(server: Asker) -> None:
    """The model of a tokenizer's request is read: a listed one is accepted, a number is none."""
    name = server.target.ask("GET", MODELS).json["data"][0]["id"]
    for path, body in ((TOKENIZE, {"input": "x"}), (COUNT, {"input": "x"}), (DETOKENIZE, {"tokens": [1]})):
        server.answered(path, {**body, "model": name})
        server.refused(path, {**body, "model": 5}, *server.invalid(path))


def vectors_of(server: Asker, given: object, **fields: object) -> list[list[float]]:
    """Return the vectors of an embedding request by their indexes, which must be all that there are."""
    answer = server.answered(EMBEDDINGS, {"input": given, **fields})
    vectors = sorted(answer["data"], key=lambda each: int(each["index"]))
    indices = [each["index"] for each in vectors]
    expect(indices == [*range(len(indices))], f"the indices are {indices}")
    return [each["embedding"] for each in vectors]


def near(one: list[float], other: list[float]) -> bool:
    """Whether two vectors are the same but for rounding."""
    return len(one) == len(other) and all(math.isclose(a, b, abs_tol=1e-3) for a, b in zip(one, other, strict=True))


@check("field.embeddings.input", level=Level.CORE, needs=[EMBEDDINGS], fields=[f"{EMBEDDINGS} input"])
def embeddings_input(server: Asker) -> None:
    """Each text has its own vector, in order, the same alone and in a list."""
    cat, number = (vectors_of(server, text)[0] for text in ("a cat", "12345 67890"))
    expect_effect(not near(cat, number), "two texts have the same vector")
    both = vectors_of(server, ["12345 67890", "a cat"])
    expect(len(both) == 2 and near(both[0], number) and near(both[1], cat), "in a list the vectors are others")


@check("embeddings.are_normalised", level=Level.STRICT, needs=[EMBEDDINGS])
def embeddings_are_normalised(server: Asker) -> None:
    """A vector has the length 1."""
    norm = math.hypot(*vectors_of(server, "Hello")[0])
    expect(math.isclose(norm, 1, abs_tol=1e-3), f"the vector's length is {norm}")


@check("embeddings.usage_adds_up", needs=[EMBEDDINGS])
def embeddings_usage_adds_up(server: Asker) -> None:
    """The usage of embeddings counts the prompt only, and more for more text."""
    one, two = (server.answered(EMBEDDINGS, {"input": each})["usage"] for each in ("Hello", ["Hello", "Hello"]))
    expect(0 < one["prompt_tokens"] == one["total_tokens"], f"the usage is {one}")
    expect(two["prompt_tokens"] == 2 * one["prompt_tokens"], f"one input {one}, two of them {two}")


@check("field.embeddings.encoding_format", needs=[f"{EMBEDDINGS} encoding_format"], fields=[f"{EMBEDDINGS} encoding_format"])  # fmt: skip # noqa: E501
def encoding_format(server: Asker) -> None:
    """base64 holds the same numbers as little-endian float32."""
    numbers = vectors_of(server, "Hello", encoding_format="float")[0]
    encoded = vectors_of(server, "Hello", encoding_format="base64")[0]
    expect_effect(isinstance(encoded, str), "base64 gives numbers")
    raw = base64.b64decode(str(encoded))
    expect(near([*struct.unpack(f"<{len(raw) // 4}f", raw)], numbers), "base64 holds other numbers")


@check(
    "field.embeddings.dimensions",
    needs=[f"{EMBEDDINGS} dimensions"],
    optional="dimensions",
    fields=[f"{EMBEDDINGS} dimensions"],
)
def dimensions(server: Asker) -> None:
    """dimensions is the length of the vectors, or a model that has but one length refuses it by name."""
    length = len(vectors_of(server, "Hello", dimensions=8)[0])
    expect_effect(length == 8, f"dimensions 8 gives {length}")


@check("field.embeddings.model_and_user", needs=[EMBEDDINGS], fields=[f"{EMBEDDINGS} model", f"{EMBEDDINGS} user"])
def embeddings_model_and_user(server: Asker) -> None:
    """The answer names its model, and model and user are read: a number is none."""
    known = [each["id"] for each in server.target.ask("GET", MODELS).json["data"]]
    answer = server.answered(EMBEDDINGS, {"input": "Hello", "user": "alice"})
    expect_effect(answer["model"] in known, f"the model is {answer['model']!r}, which is not listed: {known}")
    for body in ({"model": 5}, {"user": 5}):
        server.refused(EMBEDDINGS, {"input": "Hello", **body}, *server.invalid(EMBEDDINGS))


@check(
    "field.models.loaded",
    needs=["/models/load", "/models/unload"],
    fields=["/models/load model", "/models/unload model"],
)
def models_loaded(server: Asker) -> None:
    """What to load or unload is read: a model that does not exist is a 404, a number a 422."""
    for path in ("/models/load", "/models/unload"):
        server.refused(path, {"model": "a model that does not exist"}, 404)
        server.refused(path, {"model": 5}, *server.invalid(path))
