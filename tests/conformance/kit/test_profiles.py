"""Profiles: surfaces that a server may have, each a file of checks, asked for by name and judged where it is served."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from jan_ort_conformance.cli.kit_program import main
from jan_ort_conformance.http.check_tools.asker import RERANK, RESPONSES
from jan_ort_conformance.http.check_tools.http_check import HttpCheck
from jan_ort_conformance.http.check_tools.profile import BASE, Profile
from jan_ort_conformance.http.checks import profile_of, registered
from jan_ort_conformance.http.fuzzing.schema_fuzzing import _names
from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.reports.page import page_html
from jan_ort_conformance.verdicts.results import Results, by_theme
from jan_ort_conformance.verdicts.verdict import Level, Verdict
from jan_ort_openapi import operations
from tests.conformance.kit.broken_server import KEY, broken_server, listening


@pytest.fixture(scope="module")
def without_ranking() -> Iterator[str]:
    with listening(broken_server(model="reference")) as url:
        yield url


def judged(url: str, *profiles: str) -> Results:
    return run_http(HttpOptions(url, key=KEY, fuzz=False, profiles=profiles))


def test_a_profile_is_judged_alone_and_has_a_section_of_its_own(url: str) -> None:
    run = judged(url, "rerank")

    assert {case.profile for case in run.cases} == {"rerank"}
    assert list(by_theme(run.cases)) == ["rerank"]
    assert run.about["profiles"] == "rerank judged"
    assert [case.profile for case in Results.from_json(run.to_json()).cases] == [case.profile for case in run.cases]
    assert "<h2>rerank</h2>" in page_html(run)


def test_one_that_is_not_served_is_told_and_fails_nothing(without_ranking: str) -> None:
    run = judged(without_ranking, "rerank")

    assert {case.verdict for case in run.cases} == {Verdict.UNSUPPORTED}
    assert run.about["profiles"] == "rerank not served"
    assert run.exit_status == 0


@pytest.mark.parametrize(("profile", "path"), [("rerank", RERANK), ("responses", RESPONSES)])
def test_an_operation_is_fuzzed_with_its_profile(profile: str, path: str) -> None:
    options = HttpOptions("", profiles=(profile,))

    fuzzed = {each.path for each in operations() if _names(options, each)}

    assert fuzzed == {each.path for each in operations() if profile_of(each.path) == profile}
    assert fuzzed > {path}
    assert fuzzed >= {each.path for each in operations() if each.path.startswith(f"{path}/")}


def test_an_operation_without_a_body_is_fuzzed_by_a_document_that_gives_it_none(url: str) -> None:
    only = ("schema.post_v1_responses_response_id_cancel.*",)

    cases = run_http(HttpOptions(url, key=KEY, level=Level.STRICT, only=only, seed=1, max_examples=5)).cases

    assert {case.verdict for case in cases} == {Verdict.PASS}


def test_a_file_of_checks_is_a_profile_by_naming_one(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("toy_surface")
    module.PROFILE = Profile("toy")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_surface", module)

    def toy(server: object) -> None:
        """A toy is there."""

    toy.__module__ = "toy_surface"
    entry = HttpCheck("toy.is_there", toy, Level.FULL, (), None, (), needs_key=False)

    assert entry.profile == "toy"
    names = {BASE, "images", "rerank", "reasoning", "messages", "ollama", "responses"}
    assert {each.profile for each in registered()} == names


def test_a_profile_that_does_not_exist_is_a_wrong_command_line() -> None:
    result = CliRunner().invoke(main, ["http", "http://127.0.0.1:9", "--profile", "speech"])

    assert result.exit_code == 2
    assert "'base', 'rea" in result.output


def test_a_model_that_reads_images_is_judged_by_them(image_url: str) -> None:
    run = judged(image_url, "images")

    assert {case.id: case.detail for case in run.cases if case.verdict is not Verdict.PASS} == {}
    assert len(run.cases) == 4
