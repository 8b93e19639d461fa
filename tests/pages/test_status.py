"""The status page in a real browser."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.e2e.server_process import ServerProcess
from tests.pages.conftest import ADMIN_KEY, KEY, NO_PLAYWRIGHT, OpenPage, serious

expect = pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT).expect


def fact(name: str) -> str:
    return f"#models .facts > div:has(dt:text-is('{name}')) dd"


def test_it_follows_what_is_generated(open_page: OpenPage, server: ServerProcess) -> None:
    page = open_page(f"{server.url}/llm/status")
    expect(page.locator(fact("Slots"))).to_have_text(re.compile(r"\d of 8"))
    before = page.locator(fact("Generated")).inner_text()
    body = {"prompt": "Hello", "max_tokens": 5, "temperature": 0}
    httpx.post(f"{server.url}/v1/completions", json=body, timeout=60).raise_for_status()
    refused = httpx.post(f"{server.url}/v1/completions", json=body | {"n": -1}, timeout=60)

    expect(page.locator(fact("Generated"))).not_to_have_text(before)
    expect(page.locator(fact("Runs on")).first).not_to_be_empty()
    expect(page.locator("#errors tbody tr").first).to_contain_text(f"POST /v1/completions{refused.status_code}")
    expect(page.locator("#log-hint")).to_contain_text("JAN_ORT_ADMIN_KEY")


def test_the_log_is_the_admins(open_page: OpenPage, locked: ServerProcess) -> None:
    page = open_page(f"{locked.url}/status", expected=("401",))
    page.get_by_role("dialog").get_by_label("Key").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.locator(fact("Slots"))).to_be_visible()
    expect(page.locator("#log")).to_be_hidden()
    page.get_by_role("button", name="Give the admin key").click()
    page.get_by_role("dialog").get_by_label("Key").fill(ADMIN_KEY)
    page.keyboard.press("Enter")

    expect(page.get_by_role("log")).to_contain_text("GET /status 401 ")
    assert KEY not in page.get_by_role("log").inner_text()


def test_no_finding_of_axe_is_serious(open_page: OpenPage, server: ServerProcess) -> None:
    for scheme, width in (("light", 1280), ("dark", 390)):
        page = open_page(f"{server.url}/llm/status", scheme=scheme, width=width)
        expect(page.locator(fact("Slots"))).to_be_visible()
        assert serious(page) == [], (scheme, width)
