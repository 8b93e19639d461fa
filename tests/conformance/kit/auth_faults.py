"""Planted faults of authentication: keys that are taken for the right one, operations that ask for none."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.conformance.kit.faults import Change, Exchange, Fault, failing, with_status, without_header

KEY = "k3y"


def let_in(when: Callable[[Exchange, str], bool]) -> Change:
    """Take a request for an authorized one if its credentials or its path are such."""

    def change(exchange: Exchange) -> None:
        if when(exchange, exchange.headers.get("authorization", "")):
            exchange.headers["authorization"] = f"Bearer {KEY}"

    return change


def letting_in(name: str, check: str, when: Callable[[Exchange, str], bool]) -> Fault:
    return Fault(name, check, before=let_in(when))


def scheme_matters(exchange: Exchange) -> None:
    if not exchange.headers.get("authorization", "").startswith("Bearer "):
        exchange.headers.pop("authorization", None)


def without_scheme_for_wrong_keys(exchange: Exchange) -> None:
    if "authorization" in exchange.headers:
        exchange.answer_headers.pop("www-authenticate", None)


def tell_the_key(exchange: Exchange) -> None:
    answer = json.loads(exchange.answer)
    answer["error"]["message"] = f"the key is {KEY}"
    exchange.answer = json.dumps(answer).encode()


AUTH_FAULTS: list[Fault] = [
    failing("403_for_401", "auth.no_key_is_401", 401, with_status(403)),
    letting_in("needs_no_key_for_a_model", "auth.no_key_is_401", lambda e, _: e.path.startswith("/v1/models/")),
    letting_in("needs_no_key_to_load", "auth.no_key_is_401", lambda e, _: e.path == "/models/load"),
    letting_in("needs_no_key_to_unload", "auth.no_key_is_401", lambda e, _: e.path == "/models/unload"),
    letting_in("needs_no_key", "auth.wrong_key_is_401", lambda *_: True),
    letting_in("takes_a_part_of_the_key", "auth.wrong_key_is_401", lambda _, given: f"Bearer {KEY}".startswith(given)),
    letting_in("takes_more_than_the_key", "auth.wrong_key_is_401", lambda _, given: given.startswith(f"Bearer {KEY}")),
    letting_in("takes_the_key_as_basic", "auth.wrong_key_is_401", lambda _, given: given == f"Basic {KEY}"),
    letting_in("takes_the_bare_key", "auth.wrong_key_is_401", lambda _, given: given == KEY),
    letting_in("takes_an_empty_key", "auth.wrong_key_is_401", lambda _, given: given.strip() == "Bearer"),
    letting_in(
        "takes_a_key_in_capitals", "auth.key_is_compared_exactly", lambda _, given: given.lower() == f"bearer {KEY}"
    ),
    failing("tells_the_key", "auth.error_holds_no_key", 401, tell_the_key),
    failing("400_for_401", "auth.comes_before_validation", 401, with_status(400)),
    failing("names_no_scheme", "auth.names_the_scheme", 401, without_header("www-authenticate")),
    failing("names_no_scheme_for_wrong_keys", "auth.names_the_scheme", 401, without_scheme_for_wrong_keys),
    Fault("scheme_matters", "auth.scheme_is_case_insensitive", before=scheme_matters),
]
