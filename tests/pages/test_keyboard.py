"""The chat and status pages by keys: the focus is never lost, an input method's keys are its own, all fits a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.server_process import ServerProcess
from tests.pages.conftest import NO_PLAYWRIGHT, OpenPage, answer_with, ask, said

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT).expect

PRESS = "(box, key) => box.dispatchEvent(new KeyboardEvent('keydown', {bubbles: true, cancelable: true, ...key}))"
TOKEN = {"token": "hello", "logprob": -0.1, "top_logprobs": []}


def chat(open_page: OpenPage, server: ServerProcess, *streams: bytes) -> Page:
    page = open_page(f"{server.url}/llm/")
    expect(page.locator("#model option")).to_have_count(1)
    if streams:
        answer_with(page, *streams)
    return page


def wait_for_an_answer(page: Page) -> None:
    """Ask what is not answered, for as long as nobody stops it."""
    page.route("**/v1/chat/completions", lambda route: None)
    page.get_by_label("Question").fill("Hello")
    page.keyboard.press("Enter")
    page.locator("#stop").wait_for()


def test_a_button_that_goes_hands_on_the_focus(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server, said({"content": "one"}))
    page.get_by_label("Question").fill("Hello")
    page.locator("#send").press("Enter")
    expect(page.locator(".message.assistant .text")).to_have_text("one")
    expect(page.get_by_label("Question")).to_be_focused()
    page.get_by_role("button", name="Regenerate").press("Enter")
    page.get_by_role("button", name="Regenerate").wait_for()

    expect(page.get_by_role("log")).to_be_focused()


def test_stop_hands_the_focus_to_send(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server)
    wait_for_an_answer(page)
    page.locator("#stop").press("Enter")

    expect(page.locator("#send")).to_be_focused()


def test_a_button_that_is_made_anew_keeps_the_focus(open_page: OpenPage, server: ServerProcess) -> None:
    code = "```\ncode\n```\nhello"
    page = chat(open_page, server, said({"content": code}, logprobs={"content": [TOKEN]}))
    ask(page, "Hello")
    page.get_by_role("button", name="Probabilities").press("Enter")

    expect(page.get_by_role("button", name="Text", exact=True)).to_be_focused()


@pytest.mark.parametrize("key", [{"isComposing": True}, {"keyCode": 229}], ids=str)
def test_keys_of_an_input_method_neither_send_nor_stop(
    open_page: OpenPage, server: ServerProcess, key: dict[str, object]
) -> None:
    page = chat(open_page, server)
    wait_for_an_answer(page)
    question = page.get_by_label("Question")
    question.fill("かな")
    question.evaluate(PRESS, {"key": "Escape", **key})
    page.wait_for_timeout(100)
    expect(page.locator("#stop")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#send").wait_for()
    question.evaluate(PRESS, {"key": "Enter", **key})

    expect(question).to_have_value("かな")
    expect(page.locator(".message.user")).to_have_count(1)


def test_each_answer_is_announced_in_words_that_change(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server, said({"content": "one"}))
    page.evaluate("""() => {
        window.announced = [];
        new MutationObserver(() => announced.push(document.querySelector("#announcer").textContent))
            .observe(document.querySelector("#announcer"), { childList: true });
    }""")
    ask(page, "Hello")
    ask(page, "Again")

    assert page.evaluate("announced") == ["The model is answering.", "The answer is complete."] * 2


@pytest.mark.parametrize("width", [320, 768])
def test_nothing_scrolls_sideways_but_code_and_tables(open_page: OpenPage, server: ServerProcess, width: int) -> None:
    row = "| " + " | ".join(["longcellcontent"] * 8) + " |\n"
    text = f"{'W' * 3000}\n\n{row}{'|-' * 8}|\n{row}\n```\n{'x = ' * 200}\n```\n\nhttps://example.org/{'a' * 500}"
    stream = said({"reasoning_content": text}, {"content": text}).replace(b"made-up", b"a-long-name/" + b"x" * 150)
    page = open_page(f"{server.url}/llm/", width=width)
    answer_with(page, stream)
    ask(page, "Q" * 400)

    for place in ("document.documentElement", "document.querySelector('#messages')"):
        assert page.evaluate(f"{place}.scrollWidth - {place}.clientWidth") == 0


def test_the_focus_stays_while_the_status_is_shown_anew(open_page: OpenPage, server: ServerProcess) -> None:
    page = open_page(f"{server.url}/llm/status", expected=("415",))
    page.evaluate("fetch('v1/chat/completions', {method: 'POST'})")
    table = page.get_by_role("region", name="Requests that were refused or failed")
    table.focus()
    shown = table.element_handle()
    page.wait_for_function("(box) => !box.isConnected", arg=shown)

    expect(table).to_be_focused()
