"""HTTP itself: bodies in chunks, lengths in bytes, and connections that are used again."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from jan_ort_conformance.http.check_tools.answers import text_of
from jan_ort_conformance.http.check_tools.asker import COMPLETIONS, EITHER, GREEDY, MODELS, NAMES, Asker, body_of
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.server.api_key import OWN, filled
from jan_ort_conformance.verdicts.verdict import Level, Violation, expect


@check("http.body_may_come_in_chunks", needs=[COMPLETIONS])
def body_may_come_in_chunks(server: Asker) -> None:
    """A body of Transfer-Encoding chunked, which clients send whose bodies have no known length, is read."""
    body = body_of(COMPLETIONS, **GREEDY)
    plain = server.said(COMPLETIONS, **GREEDY)

    answer = server.post(COMPLETIONS, body, headers={"Transfer-Encoding": "chunked"})

    expect(answer.status == 200, f"a body in chunks is answered {answer}")
    text = text_of(answer.json["choices"][0])
    expect(text == plain, f"with a length {plain!r}, in chunks {text!r}")


@check("http.content_type_may_have_a_charset", needs=EITHER)
def content_type_may_have_a_charset(server: Asker) -> None:
    """A body of application/json; charset=utf-8, which many clients send, is read, and so is one in capitals."""
    for path in server.generating():
        for spelled in ("application/json; charset=utf-8", "Application/JSON"):
            answer = server.post(path, body_of(path, **GREEDY), headers={"Content-Type": spelled})
            expect(answer.status == 200, f"{NAMES[path]}: a body of {spelled} is answered {answer}")


@check("http.length_is_of_bytes", needs=[f"{COMPLETIONS} grammar"])
def length_is_of_bytes(server: Asker) -> None:
    """An answer of characters of several bytes comes whole."""
    text = server.said(COMPLETIONS, **GREEDY | {"max_tokens": 60, "min_tokens": 0}, grammar='root ::= "☃𝄞é☃𝄞é"')

    expect(text == "☃𝄞é☃𝄞é", f"☃𝄞é☃𝄞é is answered as {text!r}")


@check("http.connection_may_be_used_again", level=Level.STRICT, needs=[MODELS])
def connection_may_be_used_again(server: Asker) -> None:
    """A second request on a connection is answered, unless the first answer said that it would be closed."""
    expect(server.target.ask("GET", MODELS).status == 200, "the list of models is not answered")
    url = urlsplit(server.target.url)
    connection = server.target.connection()
    headers = {"Authorization": filled(OWN, server.target.key)} if server.target.key is not None else {}
    try:
        for number in ("first", "second"):
            status = _asked(connection, f"{url.path}{MODELS}", headers)
            expect(status in (200, None), f"the {number} request on a connection is answered {status}")
    except (HTTPException, OSError) as error:
        raise Violation(f"a connection was closed without a word: {error!r}") from error
    finally:
        connection.close()


def _asked(connection: HTTPConnection, path: str, headers: dict[str, str]) -> int | None:
    """Return the status of an answer; None for a connection that is to be closed after it."""
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    response.read()
    return None if response.will_close else response.status
