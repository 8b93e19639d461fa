"""Our own score: a real server judged by the kit at its strictest, on each backend."""

from __future__ import annotations

from collections.abc import Set
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.verdicts.results import Case, Results
from jan_ort_conformance.verdicts.verdict import Level, Verdict
from tests.e2e.server_process import serve

pytestmark = pytest.mark.timeout(1800)  # a run takes half a minute to two minutes where nothing else runs

KEY = "k3y"
MIN_REQUESTS = 1_500
MAX_EXAMPLES = 10
"""Most requests are those of the coverage phase, whose number does not depend on this."""

TIME_LIMIT_S, TIMEOUT_S = 1500.0, 60.0
"""Nothing is to be left out, and nobody to be called dead, because the machine is busy."""

IMAGES = {
    "images.change_the_answer",
    "images.keep_their_order",
    "images.refuse_what_is_none",
    "images.stand_where_they_are",
}
UNSUPPORTED = {"field.chat.images", "field.embeddings.dimensions", *IMAGES}
"""What none of these models can do."""

RANKING = {
    "field.rerank.documents",
    "field.rerank.query",
    "field.rerank.top_n",
    "field.rerank.return_documents",
    "field.rerank.model",
    "field.score.texts",
    "rerank.errors_name_the_field",
    "rerank.usage_adds_up",
}
"""What takes a model that ranks; there is none among the default ones."""

REFERENCE_MODELS = ("--model", "reference", "--model", "reference-reranker", "--embedding-model", "reference")
"""All that it can do, also what nothing serves unasked."""

NO_RANKING = {"post_v1_rerank", "post_v1_score"}

LLAMA_CPP = entry_points(group="jan_ort.backends", name="llama_cpp")

NEED_A_NAME = {
    "get_v1_models_model",
    "get_v1_responses_response_id",
    "delete_v1_responses_response_id",
    "get_v1_responses_response_id_input_items",
    "post_v1_responses_response_id_cancel",
}
"""Answer 404 to every name or id that is made up; responses.are_kept_and_deleted asks for real ones."""


def judged(directory: Path, *flags: str) -> Results:
    """Return what the kit says of a server that is started with these flags."""
    with serve(directory, "--api-key", KEY, *flags) as server:
        run = HttpOptions(
            server.url,
            key=KEY,
            level=Level.STRICT,
            seed=1,
            max_examples=MAX_EXAMPLES,
            time_limit=TIME_LIMIT_S,
            timeout=TIMEOUT_S,
        )
        return run_http(run)


def of(results: Results, *verdicts: Verdict) -> list[Case]:
    return [case for case in results.cases if case.verdict in verdicts]


def assert_conforms(results: Results, unsupported: set[str], refused: Set[str] = frozenset()) -> None:
    fuzzing = results.fuzzing
    assert of(results, Verdict.FAIL, Verdict.LIES, Verdict.SKIP) == []
    assert results.warnings == []
    assert {case.id for case in of(results, Verdict.UNSUPPORTED)} == unsupported
    assert sum(not case.id.startswith("schema.") for case in of(results, Verdict.PASS)) > 120
    assert fuzzing is not None
    assert fuzzing.num_requests >= MIN_REQUESTS
    assert set(fuzzing.phases()) == {"examples", "coverage", "fuzzing"}
    refusing = {each.operation for each in fuzzing.operations if not each.num_served}
    assert refusing == NEED_A_NAME | refused, "these refuse every valid request"


@pytest.mark.slow
def test_the_reference_backend_conforms_strictly(tmp_path: Path) -> None:
    results = judged(tmp_path, "--backend", "reference", *REFERENCE_MODELS)

    assert_conforms(results, UNSUPPORTED)


@pytest.mark.weights
def test_the_default_models_conform_strictly(tmp_path: Path, smollm2_folder: Path, minilm_folder: Path) -> None:
    models = ("--model", str(smollm2_folder), "--embedding-model", str(minilm_folder))

    results = judged(tmp_path, *models, "--context-length", "512")

    assert_conforms(results, UNSUPPORTED | RANKING, NO_RANKING)


@pytest.mark.weights
@pytest.mark.skipif(not LLAMA_CPP, reason="jan-ort-llama-cpp is not installed; run tox -e conformance-llama-cpp")
def test_a_gguf_file_on_llama_cpp_conforms_strictly(tmp_path: Path, smollm2_gguf: Path, minilm_folder: Path) -> None:
    models = ("--model", str(smollm2_gguf), "--weights", "as-is", "--embedding-model", str(minilm_folder))

    results = judged(tmp_path, *models, "--context-length", "512", "--cache-dir", str(tmp_path / "cache"))

    assert_conforms(results, UNSUPPORTED | RANKING, NO_RANKING)
