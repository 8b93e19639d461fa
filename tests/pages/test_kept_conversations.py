"""What the chat page keeps in the browser: nothing of it is lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.server_process import ServerProcess
from tests.pages.conftest import NO_PLAYWRIGHT, OpenPage, answer_with, ask, said

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT).expect

NOTHING_KEPT = "This browser keeps no conversations"

NO_ROOM = """() => {
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (value) {
    const request = put.call(this, value);
    request.addEventListener("success", () => this.transaction.abort());
    return request;
  };
}"""
"""As a browser that finds no room when it writes to the disk: the request succeeds, and then all is undone."""


def questions(page: Page) -> list[str]:
    return page.locator(".message.user .text").all_inner_texts()


def test_two_tabs_with_one_conversation_keep_what_was_said_in_both(open_page: OpenPage, server: ServerProcess) -> None:
    first = open_page(f"{server.url}/llm/")
    answer_with(first, said({"content": "ok"}))
    ask(first, "begun")
    second = first.context.new_page()
    second.goto(first.url)
    answer_with(second, said({"content": "ok"}))
    expect(second.locator(".message")).to_have_count(2)

    ask(first, "of the first")
    expect(first.locator("#conversations li")).to_have_count(1)
    ask(second, "of the second")
    expect(second.locator("#conversations li")).to_have_count(2)
    ask(second, "and more")
    expect(second.locator("#conversations li")).to_have_count(2)
    first.reload()
    expect(first.locator(".message")).to_have_count(6)

    newest = questions(first)
    first.locator("#conversations .choose").nth(1).click()
    expect(first.locator(".message")).to_have_count(4)
    assert (newest, questions(first)) == (["begun", "of the second", "and more"], ["begun", "of the first"])


def test_a_conversation_for_which_no_room_is_left_is_said_not_to_be_kept(
    open_page: OpenPage, server: ServerProcess
) -> None:
    page = open_page(f"{server.url}/llm/")
    answer_with(page, said({"content": "ok"}))
    page.evaluate(NO_ROOM)

    ask(page, "Hello")

    expect(page.locator("#problem")).to_contain_text(NOTHING_KEPT)
    expect(page.locator(".message")).to_have_count(2)


@pytest.mark.parametrize("kept", ["{broken", "null", "5"])
def test_settings_that_are_none_of_ours_do_not_stop_the_page(
    open_page: OpenPage, server: ServerProcess, kept: str
) -> None:
    page = open_page(f"{server.url}/llm/")
    page.evaluate("kept => localStorage.setItem('jan-ort-settings', kept)", kept)
    page.reload()
    asked = answer_with(page, said({"content": "ok"}))

    ask(page, "Hello")

    expect(page.locator(".message")).to_have_count(2)
    assert [each["content"] for each in asked[0]["messages"]] == ["Hello"]


def test_where_settings_cannot_be_kept_they_hold_for_the_page(open_page: OpenPage, server: ServerProcess) -> None:
    page = open_page(f"{server.url}/llm/")
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    asked = answer_with(page, said({"content": "ok"}))
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Seed").blur()

    expect(page.locator("#problem")).to_contain_text(f"{NOTHING_KEPT}: full")
    ask(page, "Hello")
    assert asked[0]["seed"] == 7


def test_a_store_that_opens_later_is_used(open_page: OpenPage, server: ServerProcess) -> None:
    page = open_page("about:blank")
    page.add_init_script(
        "const open = IDBFactory.prototype.open; let times = 0;"
        "IDBFactory.prototype.open = function (...given) {"
        "  if (times++ < 3) throw new Error('not yet');"
        "  return open.apply(this, given); };"
    )
    page.goto(f"{server.url}/llm/")
    answer_with(page, said({"content": "ok"}))

    expect(page.locator("#problem")).to_be_empty()
    for question in ("one", "two", "three"):
        ask(page, question)

    expect(page.locator("#conversations li")).to_have_count(1)
