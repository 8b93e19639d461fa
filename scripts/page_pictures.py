"""Take the pictures of the pages that docs/ and the README show: docs/pictures/*.png.

Run: python scripts/page_pictures.py http://127.0.0.1:8000, over a server with SmolLM2-135M-Instruct and no keys.
Requires playwright, Pillow and the system's Chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

TARGET = Path(__file__).resolve().parent.parent / "docs" / "pictures"
QUESTIONS = (
    "What is the capital of France?",
    "Why is the sky blue?",
)
WIDE, NARROW = (1200, 760), (390, 760)


def main(url: str) -> None:
    """Take every picture."""
    TARGET.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, scheme, size in (("light", "light", WIDE), ("dark", "dark", WIDE), ("phone", "light", NARROW)):
            page = opened(browser, f"{url}/", scheme, size)
            chat(page)
            take(page, f"chat-{name}")
        page.get_by_role("button", name="Probabilities").last.click()
        take(page, "chat-phone-probabilities")
        page = opened(browser, f"{url}/status", "dark", WIDE)
        page.locator("dd meter").first.wait_for()
        take(page, "status-dark")
        page = opened(browser, f"{url}/docs", "light", WIDE)
        page.locator(".opblock").first.wait_for()
        take(page, "docs-light")


def opened(browser: Browser, url: str, scheme: str, size: tuple[int, int]) -> Page:
    """Return a page in a context of its own."""
    viewport = {"width": size[0], "height": size[1]}
    page = browser.new_context(color_scheme=scheme, viewport=viewport).new_page()  # type: ignore[arg-type]
    page.goto(url)
    return page


def chat(page: Page) -> None:
    """Ask a real model; greedily, so that a picture changes only with the page."""
    page.locator("#model option").first.wait_for(state="attached")
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Repeat penalty").fill("1")
    page.get_by_label("Token probabilities").check()
    page.get_by_label("Max tokens").fill("200")
    page.get_by_role("button", name="Settings").click()
    for question in QUESTIONS:
        page.get_by_label("Question").fill(question)
        page.keyboard.press("Enter")
        page.locator("#send").wait_for(timeout=120_000)


def take(page: Page, name: str) -> None:
    """Write a picture in 128 colours, which halves it and shows no difference."""
    page.wait_for_timeout(500)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    image.save(TARGET / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
