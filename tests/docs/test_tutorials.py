"""Every block of code of the tutorials runs, with small models in place of large ones."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.convert.tiny_llama import TinyLlama
from tests.docs.tutorial import BLOCK, Tutorial

PAGES = Path(__file__).parents[2] / "docs" / "tutorials"
SMALL = {
    "Qwen/Qwen3-4B-GGUF:Q4_K_M": "smollm2-135m-instruct",
    "cross-encoder/ms-marco-MiniLM-L6-v2": "reference-reranker",
}
"""What is too large, or not on this machine, by what stands for it."""

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for a POSIX shell"),
]


def told(page: str, folder: Path) -> str:
    return Tutorial(PAGES / f"{page}.md", folder, SMALL).run()


@pytest.mark.weights
def test_first_chat(tmp_path: Path) -> None:
    output = told("first-chat", tmp_path)

    assert "Oslo" in output
    assert "> Which of them is the longest?" in output


def test_own_model(tmp_path: Path) -> None:
    TinyLlama().write(tmp_path / "my-model.gguf")

    output = told("own-model", tmp_path)

    assert "chat_template.jinja" in output.split()
    assert '"text_completion"' in output


@pytest.mark.weights
def test_answers_from_documents(tmp_path: Path) -> None:
    output = told("rag", tmp_path)

    assert output.count("\n- ") == 2
    assert output.partition("answer: ")[2].strip()


@pytest.mark.weights
def test_an_agent(tmp_path: Path) -> None:
    called, *answer = told("agent", tmp_path).splitlines()

    assert called in (
        "weather({'city': 'Hamburg'}) -> rain, 12 degrees",
        "weather({'city': 'Rome'}) -> sun, 24 degrees",
    )
    assert "".join(answer).strip()


@pytest.mark.weights
def test_structured_output(tmp_path: Path) -> None:
    recipe, answer = told("structured-output", tmp_path).rstrip().split("\n", 1)

    assert any(f" {difficulty} [" in recipe for difficulty in ("easy", "medium", "hard"))
    assert json.loads(answer)["choices"][0]["message"]["content"] in ("yes", "no")


@pytest.mark.weights
@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed (Debian: apt install nginx-light)")
def test_behind_nginx(tmp_path: Path) -> None:
    output = told("behind-nginx", tmp_path)

    assert output.count("data: ") > 5
    assert output.rstrip().endswith("data: [DONE]")


def test_every_tutorial_is_tested_and_listed() -> None:
    listed = (PAGES / "README.md").read_text("utf-8")
    pages = [path.stem for path in PAGES.glob("*.md") if path.name != "README.md"]

    assert len(pages) >= 6
    assert [page for page in pages if f'told("{page}"' not in Path(__file__).read_text("utf-8")] == []
    assert [page for page in pages if f"({page}.md)" not in listed] == []


def test_no_block_is_left_out() -> None:
    for page in PAGES.glob("*.md"):
        text = page.read_text("utf-8")

        assert text.count("\n```") == 2 * len(BLOCK.findall(text)), page.name
