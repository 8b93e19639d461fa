"""The chat page in a real browser, over the reference model or over answers that are made up."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.server_process import ServerProcess
from tests.pages.conftest import KEY, NO_PLAYWRIGHT, OpenPage, answer_with, ask, said, serious

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT).expect

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def chat(open_page: OpenPage, server: ServerProcess) -> Page:
    page = open_page(f"{server.url}/llm/")
    expect(page.locator("#model option")).to_have_count(1)
    return page


def test_a_real_answer_comes_below_a_prefix(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server)
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Max tokens").fill("7")
    page.get_by_label("Temperature").fill("0")
    ask(page, "Hello")

    answer = page.get_by_role("article", name="reference")
    expect(answer.locator(".figures")).to_have_text(re.compile(r"\d+ \+ 7 tokens, [\d.]+ tokens/s, cut at the limit"))
    expect(answer.locator(".text")).not_to_be_empty()
    expect(page.get_by_label("Question")).to_be_focused()


def test_an_answer_can_be_stopped_and_made_anew(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server)
    page.get_by_label("Question").fill("Hello")
    page.keyboard.press("Enter")
    page.locator(".message.assistant .text:not(:empty)").wait_for()
    page.keyboard.press("Escape")
    page.locator("#send").wait_for()
    first = page.locator(".message.assistant .text").inner_text()
    asked = answer_with(page, said({"content": "Another answer"}))
    page.get_by_role("button", name="Regenerate").click()

    expect(page.locator(".message.assistant .text")).to_have_text("Another answer")
    assert first
    assert [each["role"] for each in asked[0]["messages"]] == ["user"]


def test_an_edited_question_takes_the_place_of_what_followed_it(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server)
    asked = answer_with(page, said({"content": "one"}), said({"content": "two"}), said({"content": "three"}))
    ask(page, "first")
    ask(page, "second")
    page.locator(".message.user").first.get_by_role("button", name="Edit").click()
    expect(page.get_by_label("Question")).to_have_value("first")
    ask(page, "changed")

    assert [each["content"] for each in asked[2]["messages"]] == ["changed"]
    expect(page.locator(".message")).to_have_count(2)


def test_settings_are_fields_of_the_request_and_empty_ones_are_not(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server)
    asked = answer_with(page, said({"content": "ok"}))
    page.get_by_role("button", name="Settings").click()
    given = {"System prompt": "Be brief.", "Temperature": "0.3", "Seed": "7", "Stop sequences": "END\n###"}
    tools = [{"type": "function", "function": {"name": "now", "parameters": {}}}]
    for label, value in (given | {"Tools": json.dumps(tools), "JSON schema": '{"type": "object"}'}).items():
        page.get_by_label(label).fill(value)
    ask(page, "Hello")

    (body,) = asked
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    assert (body["temperature"], body["seed"], body["stop"], body["tools"]) == (0.3, 7, ["END", "###"], tools)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}},
    }
    assert {"top_p", "top_k", "max_tokens", "logprobs"} & body.keys() == set()


def test_a_setting_that_is_no_json_is_named(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server)
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Tools").fill("[{")
    ask(page, "Hello")

    expect(page.get_by_role("alert").filter(has_text="Tools, in the settings: this is not valid JSON")).to_be_visible()


def test_what_the_server_refuses_is_shown(open_page: OpenPage, server: ServerProcess) -> None:
    page = open_page(f"{server.url}/llm/", expected=("400",))
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("JSON schema").fill('{"type": "nonsense"}')
    ask(page, "Hello")

    expect(page.locator(".message .error")).to_contain_text("nonsense")


def test_probabilities_are_shades_that_the_arrow_keys_explain(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server)
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Token probabilities").check()
    page.get_by_label("Max tokens").fill("4")
    ask(page, "Hello")
    page.get_by_role("button", name="Probabilities").click()
    page.get_by_role("group", name="Tokens by probability").press("ArrowRight")

    expect(page.locator(".shades span")).to_have_count(4)
    expect(page.locator(".told")).to_have_text(re.compile(r'^".*" [\d.]+ %; ', re.DOTALL))


def test_a_thought_is_folded(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server)
    answer_with(page, said({"reasoning_content": "Let me see."}, {"content": "Paris"}))
    ask(page, "Capital of France?")

    expect(page.get_by_text("Let me see.")).to_be_hidden()
    page.get_by_text("Thought").click()
    expect(page.get_by_text("Let me see.")).to_be_visible()


def test_calls_are_shown_and_answered(open_page: OpenPage, server: ServerProcess) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": '{"zone"'}}
    more = {"index": 0, "function": {"arguments": ': "UTC"}'}}
    page = chat(open_page, server)
    asked = answer_with(page, said({"tool_calls": [call]}, {"tool_calls": [more]}), said({"content": "Noon."}))
    ask(page, "What time is it?")
    expect(page.get_by_label("Call of now")).to_have_text('now({"zone": "UTC"})')
    page.get_by_label("Result of now").fill("12:00")
    page.get_by_role("button", name="Send results").click()

    expect(page.locator(".message.assistant").last.locator(".text")).to_have_text("Noon.")
    called, result = asked[1]["messages"][1:]
    assert called["tool_calls"][0]["function"] == {"name": "now", "arguments": '{"zone": "UTC"}'}
    assert (result["role"], result["tool_call_id"], result["content"]) == ("tool", "call_1", "12:00")


def test_conversations_are_kept_in_the_browser_and_saved_as_files(
    open_page: OpenPage, server: ServerProcess, tmp_path: Path
) -> None:
    page = chat(open_page, server)
    answer_with(page, said({"content": "**kept**"}))
    ask(page, "Remember this")
    page.reload()
    expect(page.locator(".message.assistant strong")).to_have_text("kept")
    with page.expect_download() as saving:
        page.get_by_role("button", name="as JSON").click()
    saving.value.save_as(tmp_path / "saved.json")
    saved = json.loads((tmp_path / "saved.json").read_text(encoding="utf-8"))
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()

    assert saving.value.suggested_filename == "Remember-this.json"
    assert [each["content"] for each in saved["messages"]] == ["Remember this", "**kept**"]
    expect(page.locator(".message")).to_have_count(0)
    expect(page.locator("#conversations li")).to_have_count(0)


def test_images_are_sent_as_data_urls_where_the_model_reads_them(open_page: OpenPage, server: ServerProcess) -> None:
    metadata = {"tasks": ["generate"], "capabilities": ["vision"], "defaults": {}}
    models = {
        "data": [{"id": "blind", "metadata": metadata | {"capabilities": []}}, {"id": "seeing", "metadata": metadata}]
    }
    page = open_page("about:blank")
    page.route("**/v1/models", lambda route: route.fulfill(json=models))
    page.goto(f"{server.url}/llm/")
    asked = answer_with(page, said({"content": "A dot."}))
    expect(page.get_by_role("button", name="Add an image")).to_be_hidden()
    page.get_by_label("Model").select_option("seeing")
    page.evaluate(
        """(png) => {
          const bytes = Uint8Array.from(atob(png), (each) => each.charCodeAt(0));
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([bytes], "dot.png", { type: "image/png" }));
          document.getElementById("question").dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
        }""",
        PNG,
    )
    expect(page.locator("#images img")).to_have_count(1)
    ask(page, "What is this?")

    image, text = asked[0]["messages"][0]["content"]
    assert image == {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert (text["text"], asked[0]["model"]) == ("What is this?", "seeing")
    expect(page.locator(".message.user img")).to_be_visible()


def test_a_key_is_asked_for_and_kept_out_of_every_address(open_page: OpenPage, locked: ServerProcess) -> None:
    addresses: list[str] = []
    page = open_page("about:blank", expected=("401",))
    page.on("request", lambda asked: addresses.append(asked.url))
    page.goto(f"{locked.url}/")
    dialog = page.get_by_role("dialog", name="API key")
    dialog.get_by_label("Key").fill("wrong")
    dialog.get_by_role("button", name="Use this key").click()
    expect(page.get_by_text("the API key is wrong")).to_be_visible()
    dialog.get_by_label("Key").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.locator("#model option")).to_have_count(1)
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Max tokens").fill("3")
    ask(page, "Hello")

    expect(page.locator(".message.assistant .figures")).to_have_text(re.compile(r"\+ [1-3] tokens"))
    assert [each for each in [*addresses, page.url] if KEY in each] == []
    assert page.evaluate("JSON.stringify(localStorage)").count(KEY) == 0
    assert page.context.cookies() == []


def test_no_finding_of_axe_is_serious(open_page: OpenPage, server: ServerProcess) -> None:
    for scheme in ("light", "dark"):
        for width in (1280, 390):
            page = open_page(f"{server.url}/llm/", scheme=scheme, width=width)
            answer_with(
                page,
                said(
                    {"reasoning_content": "hm"},
                    {"content": "# A\n\n|a|b|\n|-|-|\n|1|2|\n\n```py\nx\n```\n[l](https://a.b)"},
                ),
            )
            ask(page, "Hello")
            assert serious(page) == [], (scheme, width)
            page.get_by_role("button", name="Settings").click()
            assert serious(page) == [], (scheme, width)


def test_all_of_it_is_reached_by_the_keyboard(open_page: OpenPage, server: ServerProcess) -> None:
    page = chat(open_page, server)
    answer_with(page, said({"content": "ok"}))
    ask(page, "Hello")
    reached = []
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))

    assert {
        "To the question",
        "model",
        "show-settings",
        "new",
        "Hello",
        "Delete",
        "Edit",
        "Copy",
        "Regenerate",
        "question",
        "send",
    } <= set(reached)
