"""Two judges of others, against a running server: compatcanary (npm) and llm-comply (PyPI)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.direct import CHAT, KEY
from tests.e2e.server_process import ServerProcess, serve
from tests.serving.several import copied

pytestmark = pytest.mark.timeout(1000)  # judges set no max_tokens: an answer may go on to the end of the context
CANARY, COMPLY = shutil.which("compatcanary"), shutil.which("llm-comply")
ELSEWHERE = {
    "openai-chat": {"reference-images": "chat-image-input", "gpt-5-reference": "chat-reasoning-summary"},
    "anthropic": {"reference-images": "anth-image-input", "claude-opus-reference": "anth-thinking-display"},
    "open-responses": {"reference-images": "image-input", "gpt-5-reference": "reasoning-summary"},
}
"""What the default model cannot do, with who can: the judge asks for thoughts only by names that it knows."""
OPENING = "{%- if add_generation_prompt -%}{{- '<think>\\n' -}}{%- endif -%}"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("strict")
    with serve(folder, "--model", CHAT, "--api-key", KEY, "--strict-openai") as server:
        yield server


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A reference model that reads images, and two that think."""
    folder = tmp_path_factory.mktemp("others")
    names = ["reference-images", thinker(folder, "gpt-5-reference"), thinker(folder, "claude-opus-reference")]
    models = [flag for name in names for flag in ("--model", name)]
    with serve(folder, "--backend", "reference", *models, "--embedding-model", "reference", "--api-key", KEY) as server:
        yield server


def thinker(directory: Path, name: str) -> str:
    """Return the folder of a copy of the reference model whose template begins a thought."""
    folder = copied(directory, name)
    with (Path(folder) / "chat_template.jinja").open("a", encoding="utf-8") as template:
        template.write(OPENING)
    return folder


@pytest.mark.skipif(CANARY is None, reason="compatcanary is not installed")
@pytest.mark.parametrize("profile", ["chat", "modern"])
def test_compatcanary_gives_all_points(strict: ServerProcess, profile: str) -> None:
    command = [str(CANARY), "scan", "--base-url", f"{strict.url}/v1", "--model", CHAT, "--api-key", KEY]

    run = subprocess.run(
        [*command, "--profile", profile, "--fail-on", "any", "--timeout", "280"],
        capture_output=True,
        text=True,
        timeout=900,
    )

    assert "Score: 100/100" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0


def judged(server: ServerProcess, shape: str, model: str, only: str = "") -> dict[str, str]:
    """Return llm-comply's verdict on each of its tests, or on that of an id."""
    command = [str(COMPLY), "-u", f"{server.url}/v1", "-k", KEY, "-m", model, "--format", shape]
    chosen = ["--filter", only] if only else []

    run = subprocess.run([*command, *chosen, "--json", "--timeout", "120"], capture_output=True, text=True, timeout=900)

    results = json.loads(run.stdout)
    results = results["results"] if isinstance(results, dict) else results
    return {each["id"]: each["status"] for each in results}


@pytest.mark.skipif(COMPLY is None, reason="llm-comply is not installed")
@pytest.mark.parametrize(("shape", "num_judged"), [("openai-chat", 9), ("anthropic", 9), ("open-responses", 13)])
def test_llm_comply_finds_nothing_wrong(
    strict: ServerProcess, others: ServerProcess, shape: str, num_judged: int
) -> None:
    verdicts = judged(strict, shape, CHAT)
    for model, test_id in ELSEWHERE[shape].items():
        verdicts |= judged(others, shape, model, test_id)

    assert set(verdicts.values()) == {"passed"}, verdicts
    assert len(verdicts) == num_judged
