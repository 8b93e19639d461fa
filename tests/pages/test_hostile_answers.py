"""What a model writes does nothing on the page: it runs nothing, fetches nothing, and leads nowhere unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.server_process import ServerProcess
from tests.pages.conftest import NO_PLAYWRIGHT, OpenPage, answer_with, ask, said

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api", reason=NO_PLAYWRIGHT).expect

HOSTILE = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload='window.hit = 1'></svg>",
    "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
    "<style>body { display: none }</style><p style='position: fixed; inset: 0'>",
    "<form action='https://evil.example/'><button>Send</button></form>",
    "<a href='javascript:window.hit = 1'>click</a>",
    "[click](javascript:window.hit=1)",
    "[click](JaVaScRiPt:window.hit=1)",
    "[click](java&#115;cript:window.hit=1)",
    "[click](data:text/html,<script>window.hit=1</script>)",
    "[click](vbscript:msgbox)",
    "<javascript:window.hit=1>",
    "[a]: javascript:window.hit=1\n\n[a]",
    "![image](https://evil.example/beacon.png)",
    '![x](https://evil.example/" onerror="window.hit=1)',
    "![image](javascript:window.hit=1)",
    "```<script>window.hit=1</script>\n<script>window.hit=1</script>\n```",
    '```x" onmouseover="window.hit=1\ncode\n```',
    "<math><mtext></math><img src=x onerror=window.hit=1>",
    "[click](/models/unload)",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href='https://evil.example/'>",
    "\u202e\u2066reversed\u2069",
]
ALLOWED = {
    *("A", "BLOCKQUOTE", "BR", "BUTTON", "CODE", "DETAILS", "DIV", "EM", "H2", "HEADER", "HR", "LI", "OL", "P", "PRE"),
    *("S", "SPAN", "STRONG", "SUMMARY", "TABLE", "TBODY", "TD", "TH", "THEAD", "TR", "UL", "ARTICLE"),
}


def shown(open_page: OpenPage, server: ServerProcess, text: str) -> Page:
    page = open_page(f"{server.url}/llm/")
    answer_with(page, said({"reasoning_content": text}, {"content": text}))
    ask(page, "Hello")
    page.locator(".thought summary").click()
    return page


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_happens(open_page: OpenPage, server: ServerProcess, text: str) -> None:
    page = shown(open_page, server, text)
    answer = page.locator(".message.assistant")

    tags = answer.evaluate("(box) => [...box.querySelectorAll('*')].map((each) => each.tagName.toUpperCase())")
    handlers = answer.evaluate(
        "(box) => [...box.querySelectorAll('*')].flatMap((each) => [...each.attributes].map(({ name }) => name))"
    )
    links = answer.evaluate("(box) => [...box.querySelectorAll('a')].map((each) => each.getAttribute('href') ?? '')")
    for link in answer.get_by_role("link").all():
        assert link.get_attribute("target") == "_blank"
        assert "noopener" in (link.get_attribute("rel") or "")
    assert set(tags) <= ALLOWED
    assert [name for name in handlers if name.startswith("on") or name == "style"] == []
    assert [each for each in links if each and not each.startswith(("http://", "https://", "mailto:"))] == []
    assert page.evaluate("window.hit") is None
    expect(page.get_by_label("Question")).to_be_visible()


def test_a_title_of_a_conversation_is_text(open_page: OpenPage, server: ServerProcess) -> None:
    page = open_page(f"{server.url}/llm/")
    answer_with(page, said({"content": "ok"}))
    ask(page, "<img src=x onerror='window.hit = 1'>")

    expect(page.locator("#conversations .choose")).to_have_text("<img src=x onerror='window.hit = 1'>")
    assert page.evaluate("window.hit") is None


@pytest.mark.parametrize(
    "text", ["word " * 200_000, "*" * 100_000, "[" * 50_000, "> " * 40_000, "| a " * 20_000 + "\n" + "|-" * 20_000]
)
def test_a_huge_answer_leaves_the_page_usable(open_page: OpenPage, server: ServerProcess, text: str) -> None:
    page = open_page(f"{server.url}/llm/")
    pieces = [{"content": text[at : at + 2000]} for at in range(0, len(text), 2000)]
    answer_with(page, said(*pieces), said({"content": "short"}))
    ask(page, "Write much")
    assert page.locator(".message.assistant .text").evaluate("(box) => box.textContent.length") > 0
    ask(page, "And more")

    expect(page.locator(".message.assistant").last.locator(".text")).to_have_text("short")
