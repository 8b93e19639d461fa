"""Our own score: a real server judged by the kit at its strictest, on the reference model and on a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort_conformance.http_run import HttpRun, run_http
from jan_ort_conformance.results import Level, Verdict
from tests.e2e.server_process import serve

KEY = "k3y"


def judged(directory: Path, *flags: str, fuzz: bool) -> list[str]:
    """Return what is wrong with a server that is started with these flags; it must have been judged in earnest."""
    with serve(directory, "--api-key", KEY, *flags) as server:
        run = HttpRun(server.url, key=KEY, level=Level.STRICT, seed=1, max_examples=10, time_limit=60.0, fuzz=fuzz)
        results = run_http(run)
    assert sum(case.verdict is Verdict.PASS for case in results.cases) > 120
    return [f"{case.verdict} {case.id}: {case.detail}" for case in results.cases if case.verdict in BAD]


BAD = (Verdict.FAIL, Verdict.LIES)


def test_the_reference_backend_conforms_strictly(tmp_path: Path) -> None:
    assert judged(tmp_path, "--backend", "reference", fuzz=True) == []


@pytest.mark.weights
def test_the_default_models_conform_strictly(tmp_path: Path, smollm2_folder: Path, minilm_folder: Path) -> None:
    flags = ("--model", str(smollm2_folder), "--embedding-model", str(minilm_folder), "--context-length", "2048")

    assert judged(tmp_path, *flags, fuzz=False) == []
