"""Ranking documents and scoring pairs of texts."""

from __future__ import annotations

import math
from typing import Any

from jan_ort_conformance.http.check_tools.asker import MODELS, RERANK, SCORE, Asker, expect_effect
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.check_tools.profile import Profile
from jan_ort_conformance.http.checks.models_tokens_embeddings import near
from jan_ort_conformance.verdicts.verdict import Level, expect

PROFILE = Profile("rerank", (RERANK, SCORE))

QUERY = "What is the capital of France?"
TEXTS = ("Berlin is in Germany.", "Paris is the capital of France.", "Bread is baked.", "12345 67890")


def ranked(server: Asker, documents: object, **fields: object) -> list[dict[str, Any]]:
    """Return the results of a request, which must come with the best first."""
    body = {"query": QUERY, "documents": documents, **fields}
    results: list[dict[str, Any]] = server.answered(RERANK, body)["results"]
    scores = [each["relevance_score"] for each in results]
    expect(scores == sorted(scores, reverse=True), f"the best is not first: {scores}")
    return results


def scores_of(results: list[dict[str, Any]]) -> list[float]:
    """Return the scores by the documents' places in the request, which must be all that there are."""
    by_place = sorted(results, key=lambda each: int(each["index"]))
    expect([each["index"] for each in by_place] == [*range(len(results))], f"the results are {results}")
    return [each["relevance_score"] for each in by_place]


@check("field.rerank.documents", level=Level.CORE, detects=[f"{RERANK} documents", f"{RERANK} documents.text"])
def rerank_documents(server: Asker) -> None:
    """Each document has its own score, the same alone and in company, as a text and as an object."""
    together = scores_of(ranked(server, [*TEXTS]))
    alone = [scores_of(ranked(server, [text]))[0] for text in TEXTS]
    objects = scores_of(ranked(server, [{"text": text} for text in TEXTS]))
    expect_effect(len(set(together)) == len(TEXTS), f"the scores of {len(TEXTS)} documents are {together}")
    expect(near(together, alone), f"together the scores are {together}, alone {alone}")
    expect(near(together, objects), f"as texts the scores are {together}, as objects {objects}")


@check("field.rerank.query", detects=[f"{RERANK} query"])
def rerank_query(server: Asker) -> None:
    """Other queries give other scores."""
    one, other = (scores_of(ranked(server, [*TEXTS], query=query)) for query in (QUERY, "What do cats eat?"))
    expect_effect(one != other, f"two queries give the scores {one}")


@check("field.rerank.top_n", detects=[f"{RERANK} top_n"])
def rerank_top_n(server: Asker) -> None:
    """top_n is how many of the best are answered, and all of them if it is more."""
    results = ranked(server, [*TEXTS])
    best, more = ranked(server, [*TEXTS], top_n=2), ranked(server, [*TEXTS], top_n=100)
    expect_effect(len(best) == 2, f"top_n 2 gives {len(best)} results")
    places = [[each["index"] for each in given] for given in (results, best, more)]
    expect(places[1] == places[0][:2] and places[2] == places[0], f"all, the best two, and 100: {places}")


@check("field.rerank.return_documents", detects=[f"{RERANK} return_documents"])
def rerank_return_documents(server: Asker) -> None:
    """return_documents gives each result its document."""
    results = ranked(server, [*TEXTS], return_documents=True)
    told = [each.get("document", {}).get("text") for each in results]
    expect_effect(told == [TEXTS[each["index"]] for each in results], f"the documents are {told}")


@check("rerank.usage_adds_up", needs=[RERANK])
def rerank_usage_adds_up(server: Asker) -> None:
    """The usage counts the tokens of every pair."""
    one, two = (
        server.answered(RERANK, {"query": QUERY, "documents": documents})["usage"]
        for documents in ([TEXTS[0]], [TEXTS[0], TEXTS[0]])
    )
    expect(0 < one["prompt_tokens"] == one["total_tokens"], f"the usage is {one}")
    expect(two["prompt_tokens"] == 2 * one["prompt_tokens"], f"one document {one}, the same twice {two}")


@check("rerank.errors_name_the_field", needs=[RERANK])
def rerank_errors_name_the_field(server: Asker) -> None:
    """No document, and one that is no text, are refused by name."""
    ranked(server, ["a"])
    for documents in ([], ["a", 5], [{"title": "a"}]):
        answer = server.post(RERANK, {"query": QUERY, "documents": documents})
        expect(answer.status in (400, 422), f"documents {documents} are answered {answer}")
        param = str(answer.json["error"]["param"])
        expect(param.startswith("documents"), f"documents {documents} are refused for {param!r}")


@check("field.score.texts", detects=[f"{SCORE} text_1", f"{SCORE} text_2"])
def score_texts(server: Asker) -> None:
    """A text with each of several has the scores that ranking them gives; two lists are scored text by text."""
    ranking = scores_of(ranked(server, [*TEXTS]))
    several = _scores(server, QUERY, [*TEXTS])
    pairs = _scores(server, [QUERY, "What do cats eat?"], [TEXTS[0], TEXTS[0]])
    expect_effect(near(several, ranking), f"the scores are {several}, ranking the same texts {ranking}")
    expect_effect(math.isclose(pairs[0], several[0], abs_tol=1e-3), f"alone {several[0]}, in a list {pairs[0]}")
    expect_effect(pairs[0] != pairs[1], f"two first texts have the scores {pairs}")
    server.refused(SCORE, {"text_1": ["a", "b"], "text_2": ["a"]}, 400)


def _scores(server: Asker, first: object, second: object) -> list[float]:
    data = server.answered(SCORE, {"text_1": first, "text_2": second})["data"]
    expect([each["index"] for each in data] == [*range(len(data))], f"the scores are {data}")
    return [each["score"] for each in data]


@check("field.rerank.model", needs=[RERANK, SCORE], fields=[f"{RERANK} model", f"{SCORE} model"])
def rerank_model(server: Asker) -> None:
    """The answer names its model, and the request's is read: a number is none."""
    known = [each["id"] for each in server.target.ask("GET", MODELS).json["data"]]
    for path, body in ((RERANK, {"query": "a", "documents": ["b"]}), (SCORE, {"text_1": "a", "text_2": "b"})):
        answer = server.answered(path, body)
        expect_effect(answer["model"] in known, f"the model is {answer['model']!r}, which is not listed: {known}")
        server.refused(path, {**body, "model": 5}, 422)
