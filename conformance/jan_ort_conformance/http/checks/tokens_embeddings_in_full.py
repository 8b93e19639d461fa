"""Tokenizer and embeddings in full: white space, long texts, lists, encodings and token ids."""

from __future__ import annotations

import base64
import struct
from typing import Any

from jan_ort_conformance.http.check_tools.asker import (
    COUNT,
    DETOKENIZE,
    EMBEDDINGS,
    MODELS,
    TOKENIZE,
    Asker,
    Untold,
    expect_effect,
)
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.checks.models_tokens_embeddings import near, vectors_of
from jan_ort_conformance.verdicts.verdict import expect

SPACED = ("  two spaces", "a tab\tand\na line\n\n", "in front  and behind  ", "QUICK Quick quick")
LONG = "The quick brown fox jumps over the lazy dog, and nobody knows why. " * 12
WORDS = ("a cat", "12345 67890", "The sea is deep.")


@check("tokenize.keeps_white_space_and_case", needs=[TOKENIZE, DETOKENIZE])
def keeps_white_space_and_case(server: Asker) -> None:
    """Spaces, tabs, line ends and capitals are in the tokens, and come back from them."""
    for text in SPACED:
        back = server.answered(DETOKENIZE, {"tokens": server.token_ids(text)})["text"]
        expect(back.endswith(text), f"{text!r} comes back as {back!r}")


@check("tokenize.reads_long_texts_to_the_end", needs=[TOKENIZE, DETOKENIZE, COUNT])
def reads_long_texts_to_the_end(server: Asker) -> None:
    """A text of 800 characters has all its tokens, counted and given back."""
    token_ids = server.token_ids(LONG)

    back = server.answered(DETOKENIZE, {"tokens": token_ids})["text"]
    count = server.answered(COUNT, {"input": LONG})["count"]

    expect(len(token_ids) > 100, f"800 characters have {len(token_ids)} tokens")
    expect(back.endswith(LONG), f"{len(LONG)} characters come back as {len(back)}, the last {back[-60:]!r}")
    expect(count == len(token_ids), f"{len(token_ids)} tokens, counted {count}")


@check("embeddings.keep_their_order", needs=[EMBEDDINGS])
def keep_their_order(server: Asker) -> None:
    """A list of twenty texts has twenty vectors, each that of its text alone."""
    alone = [vectors_of(server, each)[0] for each in WORDS]
    numbers = [index % 3 for index in range(18)] + [2, 1]

    together = vectors_of(server, [WORDS[number] for number in numbers])

    expect(len(together) == 20, f"20 texts have {len(together)} vectors")
    for index, (number, vector) in enumerate(zip(numbers, together, strict=True)):
        expect(near(vector, alone[number]), f"the vector at index {index} is not that of {WORDS[number]!r} alone")


@check("embeddings.base64_keeps_the_order", needs=[f"{EMBEDDINGS} encoding_format"])
def base64_keeps_the_order(server: Asker) -> None:
    """In base64 each text of a list has the vector that it has in numbers."""
    numbers, encoded = (vectors_of(server, [*WORDS], encoding_format=form) for form in ("float", "base64"))

    expect(len(numbers) == len(encoded) == 3, f"3 texts have {len(numbers)} vectors, in base64 {len(encoded)}")
    for text, vector, letters in zip(WORDS, numbers, encoded, strict=True):
        raw = base64.b64decode(str(letters))
        expect(near([*struct.unpack(f"<{len(raw) // 4}f", raw)], vector), f"base64 holds other numbers of {text!r}")


@check("embeddings.read_long_texts_to_the_end", needs=[EMBEDDINGS])
def read_long_texts_to_the_end(server: Asker) -> None:
    """Two texts that differ at their ends only have two vectors."""
    begun = LONG[:67]
    one, other = (vectors_of(server, begun + end)[0] for end in ("It was a cat.", "12345 67890"))
    expect(not near(one, other), f"texts that begin with {begun!r} and end in two ways have one vector")


def _embedding_model(server: Asker) -> dict[str, Any]:
    """Return the field that names the model of embeddings where the list of models tells it."""
    models = server.target.ask("GET", MODELS).json["data"]
    told = [each["id"] for each in models if "embed" in ((each.get("metadata") or {}).get("tasks") or ())]
    return {"model": told[0]} if told else {}


@check("embeddings.token_ids_are_their_text", needs=[EMBEDDINGS])
def token_ids_are_their_text(server: Asker) -> None:
    """The ids of a text's tokens have the vector of the text; each list of several has its own."""
    if not server.declaration.has(TOKENIZE):
        raise Untold(f"{TOKENIZE}, which is not declared, would tell the ids of tokens")
    model = _embedding_model(server)
    ids = [server.answered(TOKENIZE, {"input": each, **model})["tokens"] for each in WORDS[:2]]
    as_text = [vectors_of(server, each, **model)[0] for each in WORDS[:2]]

    alone, both = vectors_of(server, ids[0], **model), vectors_of(server, ids, **model)

    expect(len(alone) == 1 and near(alone[0], as_text[0]), f"the ids {ids[0]} have another vector than {WORDS[0]!r}")
    same = len(both) == 2 and all(map(near, both, as_text))
    expect(same, f"the lists of ids {ids} have other vectors than {WORDS[:2]}")


@check("field.embeddings.prompt_name", needs=[EMBEDDINGS], detects=[f"{EMBEDDINGS} prompt_name"])
def prompt_name(server: Asker) -> None:
    """A prompt that the model has not is refused by name; the empty name is of none."""
    vectors = vectors_of(server, "Hello", prompt_name="")
    expect(len(vectors) == 1 and near(vectors[0], vectors_of(server, "Hello", prompt_name="")[0]), "no prompt: others")
    answer = server.post(EMBEDDINGS, {"input": "Hello", "prompt_name": "a prompt that no model has"})
    expect_effect(answer.status == 400, f"a prompt that does not exist is answered {answer}")
    expect(answer.json["error"]["param"] == "prompt_name", f"it is refused for {answer.json['error']['param']!r}")
