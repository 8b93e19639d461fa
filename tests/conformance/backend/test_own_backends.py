"""Our own score, at the strictest level: the example of the README, and onnxruntime with the default models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jan_ort_conformance.backend.judging.backend_run import run_backend
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.verdicts.results import Results
from jan_ort_conformance.verdicts.verdict import Level, Verdict

README = Path(__file__).parents[3] / "backends" / "README.md"


def bad(results: Results) -> dict[str, str]:
    return {case.id: case.detail for case in results.cases if case.verdict.is_bad}


def test_the_example_of_the_readme_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "jan_ort_counting.py").write_text(source, encoding="utf-8")
    (tmp_path / "counting.json").touch()
    monkeypatch.syspath_prepend(tmp_path)
    subject = Subject.load("jan_ort_counting:backend", tmp_path)

    results = run_backend(subject, level=Level.STRICT, time_limit_s=None)

    assert bad(results) == {}
    unsupported = {case.id.partition(".")[0] for case in results.cases if case.verdict is Verdict.UNSUPPORTED}
    without = {"checkpoints", "embeddings", "forks", "images", "interrupts", "states", "top_logits", "refused_input"}
    assert unsupported == without


@pytest.mark.weights
@pytest.mark.timeout(900)
@pytest.mark.parametrize("folder", ["smollm2_folder", "minilm_folder"])
def test_onnxruntime_conforms_with_the_default_models(folder: str, request: pytest.FixtureRequest) -> None:
    subject = Subject.load("onnxruntime", request.getfixturevalue(folder))

    results = run_backend(subject, level=Level.STRICT)

    assert bad(results) == {}
    assert results.counts()[Verdict.PASS] > 20
