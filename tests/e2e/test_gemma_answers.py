"""Gemma 3 270M, with its real weights, goes on as it should: windows, four norms and two ropes of 18 layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from tests.e2e.server_process import serve
from tests.gemma_weights import gemma_gguf

pytestmark = pytest.mark.weights

CONTINUED = {
    "The opposite of hot is": " cold",
    "Water freezes at a temperature of 0 degrees": " Celsius",
    "One, two, three, four, five, six,": " seven, eight, nine, ten, eleven,",
    "The sun rises in the east and sets in the": " west",
    "def add(a, b):\n    return": " a + b",
}
LONG = "A list of numbers: " + ", ".join(str(number) for number in range(1, 300)) + ","
"""About 1,400 tokens, where the windows see 512."""


@pytest.fixture(scope="module")
def client(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    model = gemma_gguf(cache_dir / "test_weights")
    resolve_model(str(model), task=GENERATE, cache_dir=cache_dir)  # here it may take its time; the server finds it then
    with serve(tmp_path_factory.mktemp("gemma"), "--model", str(model)) as server:
        yield server.client()


def answered(client: openai.OpenAI, prompt: str) -> str:
    answer = client.completions.create(model="any", prompt=prompt, max_tokens=12, temperature=0)
    return answer.choices[0].text


@pytest.mark.parametrize("prompt", CONTINUED)
def test_a_text_is_continued_with_what_is_known(prompt: str, client: openai.OpenAI) -> None:
    assert answered(client, prompt).startswith(CONTINUED[prompt])


def test_a_list_longer_than_the_windows_is_continued(client: openai.OpenAI) -> None:
    assert answered(client, LONG).startswith(" 300, 301,")
