"""The ``llm`` command and its Python interface, told of this server by ``extra-openai-models.yaml``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llm", reason="llm is not installed; run tox -e client-llm")

import llm

from tests.clients.direct import (
    CHAT,
    FRANCE,
    HELLO,
    KEY,
    MAX_STRUCTURED_TOKENS,
    MAX_TOKENS,
    OVERLONG,
    PARIS,
    REFERENCE,
    Capital,
    City,
    completion_text,
    hello,
    hello_text,
)
from tests.e2e.server_process import ServerProcess, environment

MODELS = """
- model_id: local
  model_name: {model}
  api_base: {url}/v1
  api_key_name: local
  supports_schema: true
  supports_tools: true
- model_id: local-text
  model_name: {model}
  api_base: {url}/v1
  api_key_name: local
  completion: true
"""


class Home:
    """The folder in which llm keeps models, keys and logs."""

    def __init__(self, folder: Path, server: ServerProcess, model: str) -> None:
        self.environment = environment(LLM_USER_PATH=str(folder))
        (folder / "extra-openai-models.yaml").write_text(MODELS.format(model=model, url=server.url))
        (folder / "keys.json").write_text(json.dumps({"local": KEY}))

    def run(self, *words: str, max_tokens: int = MAX_TOKENS) -> subprocess.CompletedProcess[str]:
        """Run ``llm prompt`` at temperature 0 and return what it printed; the answer ends in one line break."""
        options = ["-o", "temperature", "0", "-o", "max_tokens", str(max_tokens)]
        command = [sys.executable, "-m", "llm", "prompt", *options, *words]
        return subprocess.run(
            command, env=self.environment, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False
        )


@pytest.fixture
def home(tmp_path: Path, reference: ServerProcess) -> Home:
    return Home(tmp_path, reference, REFERENCE)


@pytest.fixture
def model(home: Home, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LLM_USER_PATH", home.environment["LLM_USER_PATH"])
    return llm.get_model("local")


@pytest.mark.parametrize("flags", [[], ["--no-stream"]])
def test_prompt_with_usage(home: Home, reference: ServerProcess, flags: list[str]) -> None:
    printed = home.run("-m", "local", "--usage", *flags, HELLO)

    num_prompt = hello(reference)["usage"]["prompt_tokens"]
    assert printed.stdout == hello_text(reference) + "\n", printed.stderr
    assert f"{num_prompt} input, {MAX_TOKENS} output" in printed.stderr


def test_completion(home: Home, reference: ServerProcess) -> None:
    printed = home.run("-m", "local-text", HELLO)

    assert printed.stdout == completion_text(reference) + "\n", printed.stderr


def test_conversation_goes_on(home: Home) -> None:
    home.run("-m", "local", HELLO)

    printed = home.run("--continue", "--usage", HELLO)

    assert printed.returncode == 0, printed.stderr
    assert f"{MAX_TOKENS} output" in printed.stderr


def test_a_wrong_key_is_told(home: Home) -> None:
    printed = home.run("-m", "local", "--key", "wrong", HELLO)

    assert printed.returncode == 1
    assert "the API key is wrong" in printed.stderr


def test_an_overlong_prompt_is_told(home: Home) -> None:
    printed = home.run("-m", "local", OVERLONG)

    assert printed.returncode == 1
    assert "512 tokens" in printed.stderr


def test_streamed_pieces(model: Any, reference: ServerProcess) -> None:
    answer = model.prompt(HELLO, temperature=0, max_tokens=MAX_TOKENS)

    pieces = list(answer)

    assert len(pieces) > 1
    assert "".join(pieces) == hello_text(reference)
    assert answer.usage().output == MAX_TOKENS


@pytest.mark.parametrize("stream", [False, True])
def test_schema(model: Any, stream: bool) -> None:
    answer = model.prompt(HELLO, schema=Capital, stream=stream, temperature=0, max_tokens=MAX_STRUCTURED_TOKENS)

    assert Capital.model_validate_json(answer.text()) == PARIS


def test_tools_reach_the_prompt(model: Any) -> None:
    def tell_capital(country: str) -> str:
        """Tell the capital."""
        return country

    def num_prompt_tokens(*tools: Any) -> int:
        answer = model.prompt(HELLO, tools=tools, temperature=0, max_tokens=MAX_TOKENS)
        answer.text()
        count: int = answer.usage().input
        return count

    assert num_prompt_tokens(tell_capital) > num_prompt_tokens()


@pytest.mark.weights
def test_real_weights_know_paris(tmp_path: Path, weights: ServerProcess) -> None:
    printed = Home(tmp_path, weights, CHAT).run("-m", "local", FRANCE, max_tokens=30)

    assert "Paris" in printed.stdout, printed.stderr


@pytest.mark.weights
def test_real_weights_answer_in_the_asked_form(tmp_path: Path, weights: ServerProcess) -> None:
    schema = json.dumps(City.model_json_schema())

    printed = Home(tmp_path, weights, CHAT).run(
        "-m", "local", "--schema", schema, FRANCE, max_tokens=MAX_STRUCTURED_TOKENS
    )

    assert printed.returncode == 0, printed.stderr
    assert City.model_validate_json(printed.stdout).name
