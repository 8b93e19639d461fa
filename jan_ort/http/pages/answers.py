"""Answers with pages and their files: without a key, for they hold no data; what they ask has the API's rules."""

from __future__ import annotations

import asyncio

from quart import Response, request
from werkzeug.exceptions import NotFound

from jan_ort.http.pages.page_files import page_files
from jan_ort.settings.schema import Settings

HEADERS = {
    # Nothing but this server's own files runs, and nothing is asked of anybody else, whatever a model has written.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # asked for again with its tag: a new release has other files
}
"""What every page and file has."""


def wants_page(settings: Settings) -> bool:
    """Whether a browser's address bar asks: it takes HTML, and nothing else as gladly."""
    accepted = request.accept_mimetypes
    # By its name: whoever takes anything, as curl, is no browser.
    takes_html = "text/html" in accepted.values() and accepted["text/html"] > accepted["application/json"]
    return settings.pages and takes_html


async def answer_page(name: str, settings: Settings) -> Response:
    """Answer with a page. At the prefix itself, ``/llm``, its relative addresses need a slash more."""
    prefix = settings.root_path
    if prefix and request.scope.get("raw_path", b"").partition(b"?")[0] == prefix.encode():
        return Response(status=307, headers={"Location": f"{prefix.rpartition('/')[2]}/", "Vary": "Accept"})
    response = await answer_file(f"{name}.html", settings)
    response.headers["Vary"] = "Accept"
    return response


async def answer_file(name: str, settings: Settings) -> Response:
    """Answer with a file. Raises: NotFound for none of that name, and for all where there are to be no pages."""
    file = (await asyncio.to_thread(page_files)).get(name) if settings.pages else None
    if file is None:
        raise NotFound
    headers = HEADERS | {"ETag": f'"{file.tag}"'}
    if request.if_none_match.contains(file.tag):
        return Response(status=304, headers=headers)
    return Response(file.body, content_type=file.content_type, headers=headers)
