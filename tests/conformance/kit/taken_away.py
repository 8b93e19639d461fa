"""Sound servers without some of the document's optional fields, which they do not declare: refused, or ignored."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from jan_ort_conformance.http.check_tools.asker import CHAT, COMPLETIONS, EMBEDDINGS, Asker
from jan_ort_conformance.http.checks import selected
from jan_ort_conformance.http.judging.http_judge import judge_http_check
from jan_ort_conformance.http.server.declaration import read_declaration
from jan_ort_conformance.http.server.target import Target
from jan_ort_conformance.verdicts.verdict import Level
from jan_ort_openapi import load_spec
from tests.conformance.kit.faults import Exchange, Fault
from tests.conformance.kit.smaller_servers import rewritten

REQUESTS = {
    COMPLETIONS: "CreateCompletionRequest",
    CHAT: "CreateChatCompletionRequest",
    EMBEDDINGS: "CreateEmbeddingRequest",
}
OWED = {"prompt", "messages", "input", "model"}
"""Without these there is no question."""


def optional_fields() -> list[str]:
    """Return every field that a request of completions, chat or embeddings may have and need not."""
    schemas = load_spec()["components"]["schemas"]
    return sorted(set().union(*(schemas[name]["properties"] for name in REQUESTS.values())) - OWED)


def without(names: Collection[str], *, refuses: bool) -> Fault:
    """Return a server that has none of these fields, says so in its document, and refuses or ignores them."""

    def undeclare(document: Any) -> None:
        for request in REQUESTS.values():
            for name in names:
                document["components"]["schemas"][request]["properties"].pop(name, None)

    def sent(exchange: Exchange) -> list[str]:
        return sorted(exchange.fields.keys() & set(names)) if exchange.path in REQUESTS else []

    def ignore(exchange: Exchange) -> None:
        if sent(exchange):
            kept = {name: value for name, value in exchange.fields.items() if name not in names}
            exchange.body = json.dumps(kept).encode()

    def answer(exchange: Exchange) -> None:
        rewritten(exchange, "/openapi.json", undeclare)
        if refuses and sent(exchange) and exchange.status == 200:
            exchange.status, exchange.answer_headers["content-type"] = 400, "application/json"
            error = {"message": "no such field", "type": "invalid_request_error", "param": sent(exchange)[0]}
            exchange.answer = json.dumps({"error": error | {"code": "unsupported_field"}}).encode()

    kind = "refuses" if refuses else "ignores"
    return Fault(f"{kind}_{'_'.join(sorted(names))}", "", before=None if refuses else ignore, after=answer)


def senders(url: str, key: str) -> dict[str, set[str]]:
    """Return which checks send each field to a sound server."""
    found: dict[str, set[str]] = {}
    with Target(url, key=key) as target:
        asker = Asker(target, read_declaration(target), Level.FULL)
        for entry in selected(Level.FULL):
            target.forget()
            judge_http_check(entry, asker)
            for need in {*asker.sent, *entry.needs}:
                found.setdefault(need.partition(" ")[2].partition(".")[0], set()).add(entry.id)
    return found
