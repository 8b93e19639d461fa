"""Side doors: a key is asked for on every spelling of a path, and taken from nowhere but the header."""

from __future__ import annotations

from urllib.parse import quote

from jan_ort_conformance.http.check_tools.asker import CHAT, COMPLETIONS, HELLO, MODELS, Asker, Untold
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.server.target import Answer
from jan_ort_conformance.verdicts.verdict import expect

IN_THE_QUERY = ("api_key", "key", "token", "access_token", "api-key", "authorization")
SIBLINGS = ("{}/", "/{}", "{}?x=1", "{}//", "{}.json", "{}%20")


def _serves(answer: Answer) -> bool:
    """Whether an answer is that of the operation; a page for every path is none."""
    try:
        found = answer.json if answer.status == 200 else None
    except ValueError:
        return False
    return isinstance(found, dict) and bool({"data", "choices"} & found.keys())


def _expect_shut(server: Asker) -> None:
    if server.target.ask("GET", MODELS, credentials="").status != 401:
        raise Untold(f"{MODELS} is answered without a key")


@check("auth.key_is_not_in_the_query", needs=[MODELS], needs_key=True)
def key_is_not_in_the_query(server: Asker) -> None:
    """The right key in the query of a URL, where logs and proxies keep it, opens nothing."""
    _expect_shut(server)
    key = quote(server.target.key or "", safe="")
    if key != server.target.key:
        raise Untold("the key has letters that a URL spells otherwise, so that it could not be hidden in a report")
    for name in IN_THE_QUERY:
        answer = server.target.ask("GET", f"{MODELS}?{name}={key}", credentials="")
        expect(not _serves(answer), f"the key is taken from {name} in the query")


@check("auth.holds_on_sibling_paths", needs=[MODELS], needs_key=True)
def holds_on_sibling_paths(server: Asker) -> None:
    """Without a key no other spelling of a path is served: with a slash more, a query, or without /v1."""
    _expect_shut(server)
    asked: list[tuple[str, str, object]] = [("GET", MODELS, None)]
    asked += [("POST", COMPLETIONS, {"prompt": "x", "max_tokens": 1})] if server.declaration.has(COMPLETIONS) else []
    asked += [("POST", CHAT, {"messages": HELLO, "max_tokens": 1})] if server.declaration.has(CHAT) else []
    for method, path, body in asked:
        for form in (*SIBLINGS, path.removeprefix("/v1"), path.upper()):
            sibling = form.format(path)
            sent = body | {"model": server.declaration.model_for(path)} if isinstance(body, dict) else None
            answer = server.target.ask(method, sibling, sent, credentials="")
            expect(not _serves(answer), f"{method} {sibling} is served without a key: {answer}")
