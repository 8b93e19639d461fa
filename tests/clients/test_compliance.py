"""Two judges of others, against a running server: compatcanary (npm) and llm-comply (PyPI)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.clients.direct import KEY
from tests.e2e.server_process import ServerProcess, serve

MODEL = "smollm2-135m-instruct"
CANARY, COMPLY = shutil.which("compatcanary"), shutil.which("llm-comply")
NOT_FOR_IT = {"chat-image-input", "chat-reasoning-summary", "anth-image-input", "anth-thinking-display"} | {
    "image-input",
    "reasoning-summary",
}
"""The model reads no images, and the judge leaves thoughts to models whose names it knows."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("strict")
    with serve(folder, "--model", MODEL, "--api-key", KEY, "--strict-openai") as server:
        yield server


@pytest.mark.skipif(CANARY is None, reason="compatcanary is not installed")
@pytest.mark.parametrize("profile", ["chat", "modern"])
def test_compatcanary_gives_all_points(strict: ServerProcess, profile: str) -> None:
    command = [str(CANARY), "scan", "--base-url", f"{strict.url}/v1", "--model", MODEL, "--api-key", KEY]

    run = subprocess.run(
        [*command, "--profile", profile, "--fail-on", "any", "--timeout", "120"],
        capture_output=True,
        text=True,
        timeout=600,
    )

    assert "Score: 100/100" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0


@pytest.mark.skipif(COMPLY is None, reason="llm-comply is not installed")
@pytest.mark.parametrize(("shape", "num_judged"), [("openai-chat", 7), ("anthropic", 7), ("open-responses", 11)])
def test_llm_comply_finds_nothing_wrong(strict: ServerProcess, shape: str, num_judged: int) -> None:
    command = [str(COMPLY), "-u", f"{strict.url}/v1", "-k", KEY, "-m", MODEL, "--format", shape]

    run = subprocess.run([*command, "--json", "--timeout", "120"], capture_output=True, text=True, timeout=900)

    results = json.loads(run.stdout)
    results = results["results"] if isinstance(results, dict) else results
    verdicts = {each["id"]: each["status"] for each in results if each["id"] not in NOT_FOR_IT}
    assert set(verdicts.values()) == {"passed"}, verdicts
    assert len(verdicts) == num_judged


@pytest.mark.skipif(COMPLY is None, reason="llm-comply is not installed")
def test_llm_comply_has_an_image_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    flags = ("--backend", "reference", "--model", "reference-images", "--embedding-model", "reference")
    with serve(tmp_path_factory.mktemp("images"), *flags, "--api-key", KEY) as server:
        command = [str(COMPLY), "-u", f"{server.url}/v1", "-k", KEY, "-m", "reference-images", "--json"]

        run = subprocess.run(
            [*command, "--format", "openai-chat", "--filter", "chat-image-input"],
            capture_output=True,
            text=True,
            timeout=300,
        )

    results = json.loads(run.stdout)
    results = results["results"] if isinstance(results, dict) else results
    assert {each["status"] for each in results if each["id"] == "chat-image-input"} == {"passed"}
