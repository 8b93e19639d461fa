"""Pages and their files: who gets them, with which headers, and under which addresses."""

from __future__ import annotations

import re

import pytest

from jan_ort.http.pages.page_files import page_files
from tests.http.handlers.serving import Client, serving

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
ADDRESS = re.compile(r"""(?:src|href)="([^"#]+)"|from "([^"]+)";""")


@pytest.mark.parametrize(
    ("accept", "gets_page"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("application/json;q=0.5, text/html", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("text/html, application/json", False),
        ("text/*", False),
    ],
)
async def test_only_a_browser_gets_the_page(client: Client, accept: str, gets_page: bool) -> None:
    response = await client.get("/", headers={"Accept": accept})

    kind = response.content_type.partition(";")[0]
    assert (response.status_code, kind) == (200, "text/html" if gets_page else "application/json")
    assert response.headers["Vary"] == "Accept"


async def test_a_page_may_run_and_ask_nothing_but_this_server(client: Client) -> None:
    response = await client.get("/", headers={"Accept": BROWSER})

    policy = dict(each.strip().split(" ", 1) for each in response.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("name", sorted(page_files()))
async def test_every_file_is_served_as_what_it_is(client: Client, name: str) -> None:
    response = await client.get(f"/pages/{name}")

    assert response.status_code == 200
    assert response.content_type == page_files()[name].content_type
    assert "Content-Security-Policy" in response.headers
    assert await response.get_data() == page_files()[name].body


async def test_a_file_that_the_browser_has_is_not_sent_again(client: Client) -> None:
    first = await client.get("/pages/chat/main.js")
    again = await client.get("/pages/chat/main.js", headers={"If-None-Match": first.headers["ETag"]})
    other = await client.get("/pages/chat/main.js", headers={"If-None-Match": '"other"'})

    assert (again.status_code, await again.get_data()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert other.status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "", "../answers.py", "%2e%2e/answers.py", "chat", "..%5canswers.py"])
async def test_nothing_else_is_served(client: Client, name: str) -> None:
    assert (await client.get(f"/pages/{name}")).status_code == 404


async def test_files_need_no_key_and_say_nothing_of_the_server() -> None:
    async with serving(api_key="sk-secret", model="reference", host="127.0.0.1") as app:
        client = app.test_client()
        page = await client.get("/", headers={"Accept": BROWSER})
        models = await client.get("/v1/models", headers={"Accept": BROWSER})
        text = await page.get_data(as_text=True)

    assert (page.status_code, models.status_code) == (200, 401)
    assert text.encode() == page_files()["chat.html"].body


async def test_without_pages_there_is_json_alone() -> None:
    async with serving(pages=False) as app:
        client = app.test_client()
        root = await client.get("/", headers={"Accept": BROWSER})
        file = await client.get("/pages/chat/main.js")

        document = await client.get("/docs", headers={"Accept": BROWSER})

    assert (root.status_code, root.content_type) == (200, "application/json")
    assert (file.status_code, document.status_code) == (404, 404)


@pytest.mark.parametrize("name", sorted(name for name in page_files() if not name.startswith("vendor/")))
def test_addresses_are_relative_and_lead_to_files(name: str) -> None:
    found = [one or other for one, other in ADDRESS.findall(page_files()[name].body.decode())]

    files = [each for each in found if each.endswith((".js", ".css", ".svg"))]
    folder = "" if name.endswith(".html") else name.rpartition("/")[0]
    assert [each for each in found if each.startswith(("/", "http"))] == []
    assert [each for each in files if resolved(folder, each) not in page_files()] == []


def resolved(folder: str, address: str) -> str:
    if not folder:
        return address.removeprefix("pages/")
    *above, name = address.split("/")
    path = folder.split("/")
    for step in above:
        path = path[:-1] if step == ".." else path if step == "." else [*path, step]
    return "/".join([*path, name])


async def test_the_document_has_a_page_whatever_is_accepted(client: Client) -> None:
    response = await client.get("/docs")

    assert (response.status_code, await response.get_data()) == (200, page_files()["docs.html"].body)


async def test_a_page_has_one_spelling(client: Client) -> None:
    """Below another, as /docs/, its relative addresses would lead nowhere."""
    response = await client.get("/docs/")

    assert response.status_code == 404
    assert "it is /docs" in (await response.get_json())["error"]["message"]


async def test_the_prefix_itself_leads_to_the_page_below_it() -> None:
    async with serving(root_path="/llm") as app:
        client = app.test_client()
        bare = await client.get("/llm", headers={"Accept": BROWSER})
        page = await client.get("/llm/", headers={"Accept": BROWSER})
        file = await client.get("/llm/pages/chat/main.js")
        plain = await client.get("/llm", headers={"Accept": "*/*"})

    assert (bare.status_code, bare.headers["Location"]) == (307, "llm/")
    assert (page.status_code, file.status_code) == (200, 200)
    assert (plain.status_code, plain.content_type) == (200, "application/json")
