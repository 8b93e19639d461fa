"""The HTTP checks as pytest tests, for authors who want them in their own suite; fuzzing is the command's."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from jan_ort_conformance.http.check_tools.asker import Asker
from jan_ort_conformance.http.check_tools.http_check import HttpCheck
from jan_ort_conformance.http.checks import selected
from jan_ort_conformance.http.judging.http_judge import Judged, judge_http_check, silence
from jan_ort_conformance.http.judging.http_run import measure_token_time
from jan_ort_conformance.http.server.api_key import hidden
from jan_ort_conformance.http.server.declaration import read_declaration
from jan_ort_conformance.http.server.target import Target, TargetError
from jan_ort_conformance.verdicts.verdict import Level, Verdict


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each check of the level; those of authentication only with a key."""
    config = metafunc.config
    key = config.getoption("--jan-ort-key")
    checks = [
        entry
        for entry in selected(Level(config.getoption("--jan-ort-level")))
        if key is not None or not entry.needs_key
    ]
    metafunc.parametrize("entry", checks, ids=[entry.id for entry in checks])


@pytest.fixture(scope="module")
def jan_ort_server(request: pytest.FixtureRequest) -> Iterator[Asker]:
    """The server at --jan-ort-url; override it to start one."""
    url, key = (request.config.getoption(name) for name in ("--jan-ort-url", "--jan-ort-key"))
    if url is None:
        pytest.skip("say which server to judge: --jan-ort-url URL")
    try:
        with Target(url, key=key) as target:
            reason = target.silence()
            if reason:
                pytest.fail(f"nothing answers at {url} as it should: {reason}; start the server", pytrace=False)
            asker = Asker(target, read_declaration(target), Level(request.config.getoption("--jan-ort-level")))
            measure_token_time(asker)
            yield asker
    except TargetError as error:
        pytest.fail(hidden(str(error), key), pytrace=False)


def test_conforms(jan_ort_server: Asker, entry: HttpCheck) -> None:
    """The server does what the check promises, or declares that it does not."""
    jan_ort_server.target.forget()

    try:
        judged = judge_http_check(entry, jan_ort_server)
    except (httpx.TransportError, httpx.StreamError) as error:
        judged = Judged(Verdict.FAIL, silence(error, jan_ort_server.target.patience_s))

    if judged.verdict is Verdict.UNSUPPORTED:
        pytest.skip(jan_ort_server.target.hide(judged.detail))
    if judged.verdict.is_bad:
        told = f"{judged.verdict} {entry.id}: {judged.detail}\n{jan_ort_server.target.repeat()}"
        pytest.fail(jan_ort_server.target.hide(told), pytrace=False)
