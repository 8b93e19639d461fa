"""What the log of a real server says, and how it is written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.server_process import ServerProcess, environment, hypercorn, serve

BODY = {"prompt": "a", "max_tokens": 3, "temperature": 0}
COMBINED = re.compile(
    r'127\.0\.0\.1 - - \[[^]]+\] "POST /v1/completions HTTP/1\.1" 200 \d+ "-" "a \\"client\\"" \d+\.\d+'
)

SHORT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (INFO|WARNING) (?!jan_ort\.)\S.*")
LONG = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING) [\w.]+: .+")


def asked(server: ServerProcess) -> str:
    """Ask for one answer and a probe, end the server, and return its log."""
    headers = {"X-Request-Id": "mine", "Authorization": "Bearer k", "User-Agent": 'a "client"'}
    assert httpx.post(f"{server.url}/v1/completions", json=BODY, headers=headers, timeout=60).status_code == 200
    for path in ("/livez", "/readyz", "/health", "/metrics"):
        httpx.get(server.url + path)
    server.end()
    return server.log.read_text(encoding="utf-8")


def test_json_has_the_figures_of_a_request_and_no_probe(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("ada:k\n", encoding="utf-8")
    flags = ("--backend", "reference", "--log-format", "json", "--access-log", "--api-key-file", str(keys))
    with serve(tmp_path, *flags) as server:
        lines: list[dict[str, Any]] = [json.loads(line) for line in asked(server).splitlines()]

    (request,) = [line for line in lines if "tokens_per_s" in line]
    assert (request["level"], request["model"], request["completion_tokens"]) == ("info", "reference", 3)
    assert (request["finish_reasons"], request["key"], request["client_request"]) == (["length"], "ada", "mine")
    assert ": reference, " in request["message"]
    assert " tokens/s, length, key of ada" in request["message"]
    assert 0 < request["first_token_s"] < 60
    assert request["prompt_tokens"] >= request["cached_tokens"] == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", request["time"])
    access = [line["message"] for line in lines if line["logger"] == "jan_ort.access"]
    assert [bool(COMBINED.fullmatch(each)) for each in access] == [True]
    assert [line for line in lines if "livez" in line["message"] or "metrics" in line["message"]] == []


@pytest.mark.parametrize("wanted", [False, True])
def test_prompts_are_logged_where_they_are_asked_for_and_never_kept(wanted: bool, tmp_path: Path) -> None:
    flags = ("--backend", "reference", "--log-format", "json", "--log-level", "debug", "--cache-dir", str(tmp_path))
    with serve(tmp_path, *flags, *(["--log-prompts"] if wanted else [])) as server:
        assert httpx.post(f"{server.url}/v1/embeddings", json={"input": "a secret"}, timeout=60).status_code == 200
        lines = [json.loads(line) for line in asked(server).splitlines()]

    bodies = [(line["path"], json.loads(line["body"])) for line in lines if line["logger"] == "jan_ort.prompts"]
    assert bodies == ([("/v1/embeddings", {"input": "a secret"}), ("/v1/completions", BODY)] if wanted else [])
    (kept,) = tmp_path.rglob("log-*.txt")
    assert "tokens/s" in kept.read_text(encoding="utf-8")
    assert "a secret" not in kept.read_text(encoding="utf-8")


def test_a_model_in_a_process_of_its_own_writes_json_too(tmp_path: Path) -> None:
    flags = ("--backend", "reference", "--isolate", "--log-format", "json", "--log-level", "debug")
    with serve(tmp_path, *flags) as server:
        lines = [json.loads(line) for line in asked(server).splitlines()]

    assert "jan_ort.plugins.isolation.session_host" in {line["logger"] for line in lines}


@pytest.mark.skipif(shutil.which("curl") is None or sys.platform == "win32", reason="needs curl and a POSIX shell")
@pytest.mark.parametrize("flags", [(), ("--host", "localhost", "--api-key", "k")])
def test_the_line_to_ask_by_works_in_a_shell(tmp_path: Path, flags: tuple[str, ...]) -> None:
    models = ("--model", "reference", "--embedding-model", "reference")
    with serve(tmp_path, "--backend", "reference", *models, *flags) as server:
        (command,) = re.findall(r"ask it: (curl .*)", server.log.read_text(encoding="utf-8"))
        env = environment(JAN_ORT_API_KEY="k")
        told = subprocess.run(command, shell=True, env=env, capture_output=True, text=True, check=True)  # noqa: S602

    assert json.loads(told.stdout)["object"] == "chat.completion"


@pytest.mark.parametrize("flags", [(), ("--isolate",), ("--log-level", "info"), ("-v", "--log-level", "info")])
def test_a_line_has_time_level_and_message(flags: tuple[str, ...], tmp_path: Path) -> None:
    with serve(tmp_path, "--backend", "reference", *flags) as server:
        lines = asked(server).splitlines()

    assert [line for line in lines if not SHORT.fullmatch(line)] == []
    assert any(re.search(r" INFO cmpl-\w+: reference, .* tokens/s, length", line) for line in lines)


def test_hypercorns_own_command_has_the_same_lines(tmp_path: Path) -> None:
    with hypercorn(tmp_path, JAN_ORT_BACKEND="reference") as server:
        lines = asked(server).splitlines()

    assert [line for line in lines if not SHORT.fullmatch(line)] == []
    assert [sum(said in line for line in lines) for said in ("ready after", "Running on")] == [1, 1]


@pytest.mark.parametrize(("before", "flags"), [(("-v",), ()), ((), ("-v",)), ((), ("--log-level", "debug"))])
def test_verbose_lines_name_their_loggers(before: tuple[str, ...], flags: tuple[str, ...], tmp_path: Path) -> None:
    quieter = environment(JAN_ORT_LOG_LEVEL="warning")
    with serve(tmp_path, "--backend", "reference", *flags, before=before, env=quieter) as server:
        lines = asked(server).splitlines()

    assert [line for line in lines if not LONG.fullmatch(line)] == []
    assert any(" DEBUG jan_ort." in line for line in lines)


def test_a_level_leaves_out_what_is_less_grave(tmp_path: Path) -> None:
    with hypercorn(tmp_path, JAN_ORT_BACKEND="reference", JAN_ORT_LOG_LEVEL="warning") as server:
        log = asked(server)

    assert " INFO " not in log


def test_hypercorn_shows_our_log_too(tmp_path: Path) -> None:
    with hypercorn(tmp_path, JAN_ORT_BACKEND="reference", JAN_ORT_LOG_FORMAT="json") as server:
        log = asked(server)

    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["completion_tokens"] for line in lines if "tokens_per_s" in line] == [3]
    assert any("ready after" in line["message"] for line in lines)
