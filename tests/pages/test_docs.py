"""The page of the API's document in a real browser: Swagger UI under our policy, below a prefix, with a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.server_process import ServerProcess
from tests.pages.conftest import KEY, NO_PLAYWRIGHT, OpenPage, serious

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

expect = pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT).expect


def opened(page: Page, operation: str) -> Locator:
    """Unfold an operation."""
    found = page.locator(f"[id$='{operation}']")
    found.locator(".opblock-summary-control").click()
    return found


def test_a_request_is_tried_out_below_a_prefix(open_page: OpenPage, server: ServerProcess) -> None:
    page = open_page(f"{server.url}/llm/docs")
    models = opened(page, "get_models_v1_models_get")
    models.get_by_role("button", name="Execute").click()

    expect(models.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    expect(models.locator(".request-url")).to_contain_text(f"{server.url}/llm/v1/models")
    expect(models.locator(".live-responses-table")).to_contain_text('"id": "reference"')


def test_the_key_of_the_tab_is_sent(open_page: OpenPage, locked: ServerProcess) -> None:
    page = open_page(f"{locked.url}/docs")
    page.evaluate("(key) => sessionStorage.setItem('jan-ort-key', key)", KEY)
    page.reload()
    models = opened(page, "get_models_v1_models_get")
    models.get_by_role("button", name="Execute").click()

    expect(models.locator(".live-responses-table")).to_contain_text('"id": "reference"')
    assert KEY not in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_finding_of_axe_is_serious(open_page: OpenPage, server: ServerProcess, scheme: str, width: int) -> None:
    page = open_page(f"{server.url}/llm/docs", scheme=scheme, width=width)
    chat = opened(page, "create_chat_completion_v1_chat_completions_post")
    expect(chat.get_by_label("Request body")).to_be_visible()

    assert serious(page) == []
