"""A real Chromium, and a real server whose pages it opens; skipped where there is none (tox -e pages)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.server_process import ServerProcess, environment, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

NO_PLAYWRIGHT = "playwright is not installed; run tox -e pages"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OWN = ("http://127.0.0.1:", "data:", "blob:")
"""How the addresses begin that a page may ask: its server's, and what it holds itself."""

KEY, ADMIN_KEY = "sk-pages-key", "sk-pages-admin"

OpenPage = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium as the system has it, or as JAN_ORT_TEST_BROWSER names it.

    Of a module, for playwright's event loop runs until its end, and no test of another folder could have its own.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT)
    found = os.environ.get("JAN_ORT_TEST_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium is installed (Debian's package chromium, or JAN_ORT_TEST_BROWSER=PATH)")
    with sync_api.sync_playwright() as playwright:
        # Without a sandbox of its own, which it does not get as root: it opens nothing but our pages.
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The reference model, without a key."""
    flags = ("--backend", "reference", "--model", "reference", "--root-path", "/llm", "--bug-records", "off")
    with serve(tmp_path_factory.mktemp("pages"), *flags) as process:
        yield process


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The same behind a key, and another one for the admin."""
    env = environment(JAN_ORT_API_KEY=KEY, JAN_ORT_ADMIN_KEY=ADMIN_KEY)
    flags = ("--backend", "reference", "--model", "reference", "--bug-records", "off")
    with serve(tmp_path_factory.mktemp("locked"), *flags, env=env) as process:
        yield process


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open a page in a context of its own; fail at the end for what it complained of, or asked others for."""
    complaints: list[str] = []
    contexts = []

    def open_at(url: str, *, expected: tuple[str, ...] = (), width: int = 1280, scheme: Any = "light") -> Page:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(OWN) else None)
        allowed.extend(expected)
        page.goto(url)
        return page

    allowed: list[str] = []
    yield open_at
    for context in contexts:
        context.close()
    assert [each for each in complaints if not any(words in each for words in allowed)] == []


def said(*deltas: dict[str, Any], finish: str = "stop", **more: Any) -> bytes:
    """Return the stream of an answer with these deltas."""
    empty = {"delta": {}, "finish_reason": finish}
    choices = [{"delta": each, "finish_reason": None} for each in deltas] + [empty]
    chunks = [{"model": "made-up", "choices": [choice | more]} for choice in choices]
    usage = {"prompt_tokens": 5, "completion_tokens": len(deltas)}
    frames = [json.dumps(each) for each in [*chunks, {"model": "made-up", "choices": [], "usage": usage}]]
    return "".join(f"data: {each}\n\n" for each in [*frames, "[DONE]"]).encode()


def answer_with(page: Page, *streams: bytes) -> list[dict[str, Any]]:
    """Have the page's next questions answered so, and return the list that their bodies go to."""
    asked: list[dict[str, Any]] = []

    def fulfill(route: Route) -> None:
        asked.append(route.request.post_data_json)
        body = streams[min(len(asked), len(streams)) - 1]
        route.fulfill(status=200, content_type="text/event-stream", body=body)

    page.route("**/v1/chat/completions", fulfill)
    return asked


def ask(page: Page, text: str) -> None:
    """Ask, and wait until the answer is over."""
    page.get_by_label("Question").fill(text)
    page.keyboard.press("Enter")
    page.locator("#send").wait_for()


def serious(page: Page) -> list[str]:
    """Return what axe-core finds that is serious or worse."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
