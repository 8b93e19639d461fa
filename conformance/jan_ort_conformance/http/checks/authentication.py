"""Authentication: every secured operation that the server declares, with no key and with wrong ones."""

from __future__ import annotations

from urllib.parse import quote

from jan_ort_conformance.http.check_tools.answers import error_of
from jan_ort_conformance.http.check_tools.asker import MODELS, Asker
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.server.api_key import VARIABLE
from jan_ort_conformance.verdicts.verdict import Level, expect
from jan_ort_openapi import Operation, operations

WRONG = (
    f"Bearer ${{{VARIABLE}}}x",
    f"Bearer ${{{VARIABLE}%?}}",
    "Bearer",
    f"Basic ${VARIABLE}",
    f"${VARIABLE}",
)
"""The key and one character more, less its last, none, another scheme, and no scheme."""


def _secured(server: Asker) -> list[Operation]:
    """Return the operations that need the key and that the server declares."""
    return [each for each in operations() if each.secured and each.path in server.declaration.document["paths"]]


def _model(server: Asker) -> str:
    models = server.target.ask("GET", MODELS).json["data"]
    return str(models[0]["id"])


def _asked(server: Asker, operation: Operation, credentials: str, model: str) -> None:
    """Ask of a model that there is: an unknown one may be a 404 to anybody."""
    body: dict[str, object] = {}
    if operation.path == "/models/load":
        body = {"model": model}
    elif operation.path == "/models/unload":
        body = {"model": "none of this name"}  # a server that serves everybody should lose no model by it
    path = operation.path.replace("{model}", quote(model, safe=""))
    sent = body if operation.request_model is not None else None
    answer = server.target.ask(operation.method, path, sent, credentials=credentials)
    given = f"the credentials {credentials!r}" if credentials else "no key"
    expect(answer.status == 401, f"{operation.method} {operation.path} with {given} is answered {answer}")


def _unauthorized(server: Asker, *credentials: str) -> None:
    model = _model(server)
    for each in credentials:
        for operation in _secured(server):
            _asked(server, operation, each, model)


@check("auth.no_key_is_401", level=Level.CORE, needs_key=True)
def no_key_is_401(server: Asker) -> None:
    """Without a key every secured operation that the server declares answers 401."""
    _unauthorized(server, "")


@check("auth.wrong_key_is_401", level=Level.CORE, needs_key=True)
def wrong_key_is_401(server: Asker) -> None:
    """With another key, or the right one under another scheme, every such operation answers 401."""
    _unauthorized(server, *WRONG)


@check("auth.key_is_compared_exactly", needs_key=True)
def key_is_compared_exactly(server: Asker) -> None:
    """The key in upper or lower case, where that is another one, is a wrong key."""
    key = server.target.key or ""
    forms = [(f"${{{VARIABLE}^^}}", key.upper()), (f"${{{VARIABLE},,}}", key.lower())]
    _unauthorized(server, *(f"Bearer {expression}" for expression, value in forms if value != key))


@check("auth.error_holds_no_key", needs_key=True)
def error_holds_no_key(server: Asker) -> None:
    """What a refusal says does not hold the right key."""
    for credentials in ("", "Bearer another", "Basic another"):
        answer = server.target.ask("GET", MODELS, credentials=credentials)
        told = answer.text + "".join(answer.headers.values())
        expect((server.target.key or "") not in told, f"a refusal holds the key: {answer}")


@check("auth.comes_before_validation", needs_key=True)
def auth_comes_before_validation(server: Asker) -> None:
    """Without a key a body is not looked at: an invalid one is answered 401 too."""
    for operation in _secured(server):
        for body in (b"{", b'{"model": 5}', b"\xff") if operation.request_model is not None else ():
            answer = server.post(operation.path, body, credentials="")
            expect(answer.status == 401, f"POST {operation.path} {body!r} without a key is answered {answer}")


@check("auth.scheme_is_case_insensitive", needs_key=True)
def auth_scheme_is_case_insensitive(server: Asker) -> None:
    """bearer and BEARER are Bearer (RFC 9110, section 11.1)."""
    for scheme in ("bearer", "BEARER"):
        answer = server.target.ask("GET", MODELS, credentials=f"{scheme} ${VARIABLE}")
        expect(answer.status == 200, f"the scheme {scheme} is answered {answer}")


@check("auth.names_the_scheme", level=Level.STRICT, needs_key=True)
def auth_names_the_scheme(server: Asker) -> None:
    """A 401 has WWW-Authenticate and the OpenAI error body, for no key and for a wrong one."""
    for credentials in ("", "Bearer another"):
        answer = server.target.ask("GET", MODELS, credentials=credentials)

        named = answer.headers.get("www-authenticate", "")
        expect(named.lower().startswith("bearer"), f"WWW-Authenticate: {named!r}")
        error_of(answer)
