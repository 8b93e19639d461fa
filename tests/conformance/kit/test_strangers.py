"""What is said of a server that is not there, is another one, or cannot be asked: words with a remedy, no traceback."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jan_ort_conformance.cli.judging_options import EXIT_NOT_RUN
from jan_ort_conformance.cli.kit_program import main
from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.http.server.server_process import ServerProcess, arguments_of
from jan_ort_conformance.http.server.target import Target
from jan_ort_conformance.verdicts.verdict import Verdict
from tests.conformance.kit.broken_server import KEY, broken_server, listening, wait_until_open
from tests.conformance.kit.quoting import quoted
from tests.conformance.kit.strange_servers import BelowAPath, Page, Silence, serving

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="a program splits its own command line there")


def judge(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["http", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def python(*arguments: str) -> str:
    """Return the command line that runs this Python."""
    return quoted([sys.executable, *arguments])


def free_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["localhost:8000"], "'localhost:8000' is not a server URL (example: http://127.0.0.1:8000)"),
        (["http://[::1"], "is not a URL"),
        (["http://127.0.0.1:9"], "refused"),
        (["http://127.0.0.1:9", "--server-cmd", "no-such-program"], "correct --server-cmd"),
        pytest.param(
            ["http://127.0.0.1:9", "--server-cmd", "echo 'x"],
            "No closing quotation; correct --server-cmd",
            marks=POSIX_ONLY,
        ),
        (["http://127.0.0.1:9", "--server-cmd", python("-c", "raise SystemExit(1)")], "ended with status 1"),
    ],
)
def test_what_cannot_be_asked_is_not_judged(arguments: list[str], told: str) -> None:
    result = judge(*arguments)

    assert result.exit_code == EXIT_NOT_RUN
    assert told in result.output


def test_a_server_that_never_answers_is_not_judged() -> None:
    with serving(Silence) as url:
        result = judge(url, "--timeout", "0.3")

    assert result.exit_code == EXIT_NOT_RUN
    assert "no answer within 0.3 s; start the server, correct the URL" in result.output


def test_a_server_without_tls_is_not_judged_by_https() -> None:
    with serving(Page) as url:
        result = judge(url.replace("http:", "https:"))

    assert result.exit_code == EXIT_NOT_RUN
    assert "SSL" in result.output
    assert "--ca-file" in result.output


@pytest.mark.parametrize(("key", "told"), [(["--key", "other"], "refuses the key"), ([], "asks for a key")])
def test_without_the_right_key_nothing_is_judged(url: str, key: list[str], told: str) -> None:
    result = judge(url, *key)

    assert result.exit_code == EXIT_NOT_RUN
    assert told in result.output
    assert "give the right one by --key or JAN_ORT_KEY" in result.output


def test_a_server_without_a_key_is_judged_but_for_authentication() -> None:
    with listening(broken_server(api_key=None)) as url:
        results = run_http(HttpOptions(url, only=("[au]*.[an]*",), fuzz=False))

    assert [(case.id, case.verdict) for case in results.cases] == [("usage.adds_up", Verdict.PASS)]
    assert "authentication was not tested; give --key" in results.warnings


def test_a_web_page_is_no_api_and_the_report_says_so() -> None:
    with serving(Page) as url:
        results = run_http(HttpOptions(url, max_examples=1, time_limit=3, only=("s*", "models.*", "field.chat.*")))

    assert {case.verdict for case in results.cases if not case.id.startswith("schema.")} == {
        Verdict.FAIL,
        Verdict.UNSUPPORTED,
    }
    assert any("no list of models but 200 with text/html; is this the URL" in line for line in results.warnings)


@pytest.mark.parametrize("end", ["/api", "/api/", "/api/v1", "/api/v1/"])
def test_the_url_may_have_a_path(end: str) -> None:
    with listening(BelowAPath(broken_server().app)) as url:
        only = ("usage.adds_up", "schema.post_extras_tokenize.*")
        results = run_http(HttpOptions(url + end, key=KEY, only=only, max_examples=3))

    assert results.exit_status == 0, [case for case in results.cases if case.verdict.is_bad]
    assert results.fuzzing is not None
    assert results.fuzzing.operations[0].num_served > 0


def test_a_server_that_dies_for_good_fails_once_and_the_rest_is_skipped() -> None:
    url = free_url()
    command = [sys.executable, "-m", "tests.conformance.kit.broken_server", url.rpartition(":")[2]]
    only = ("stream.errors_come_before_it", "usage.adds_up", "schema.post_extras_tokenize.*", "schema.get_health.*")

    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[3]):
        wait_until_open(int(command[-1]))
        results = run_http(HttpOptions(url, key=KEY, only=only, seed=1))

    assert [case.verdict for case in results.cases] == [Verdict.FAIL, *[Verdict.SKIP] * 3]
    assert "with --server-cmd, it is restarted" in results.cases[0].detail
    assert all(case.detail.startswith("not run, the server is gone: after stream.errors") for case in results.cases[1:])


def test_a_server_that_hung_is_started_again_though_it_answers() -> None:
    url = free_url()
    command = python("-m", "tests.conformance.kit.broken_server", url.rpartition(":")[2])

    with Target(url, key=KEY) as target, ServerProcess(target, command) as server:
        told = [server.recover(), server.recover(hung=True)]

    assert told == ["it answered again by itself", "it was started again"]
    assert server.num_restarts == 1


@pytest.mark.parametrize(
    ("command", "platform", "started"),
    [
        (r"'/opt/my server/run' --at C:\\x", "linux", ["/opt/my server/run", "--at", r"C:\x"]),
        (r'"C:\Program Files\run.exe" --port 1', "win32", r'"C:\Program Files\run.exe" --port 1'),
    ],
)
def test_a_command_is_split_by_the_rules_of_its_platform(command: str, platform: str, started: list[str] | str) -> None:
    assert arguments_of(command, platform) == started


def test_a_server_in_a_folder_with_a_space_is_started(tmp_path: Path) -> None:
    script = tmp_path / "my server.py"
    script.write_text("raise SystemExit(7)\n")

    result = judge(free_url(), "--server-cmd", python(str(script)))

    assert result.exit_code == EXIT_NOT_RUN
    assert "ended with status 7" in result.output


def test_a_folder_that_cannot_be_made_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    result = judge("http://127.0.0.1:9", "--output", str(tmp_path / "file" / "report"))

    assert result.exit_code == 2
    assert "cannot be made" in result.output
