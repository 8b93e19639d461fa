"""The command line: one flag for each setting, and refusals in one line before anything is started."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jan_ort._version import __version__
from jan_ort.cli.program import COMMANDS, main
from jan_ort.settings.schema import Settings
from tests.e2e.server_process import environment


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_every_setting_is_a_flag_with_its_variable_in_the_help() -> None:
    result = run("serve", "--help")

    assert result.exit_code == 0
    words = result.output.split()
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in words
        assert f"JAN_ORT_{name.upper()}]" in words


def test_the_version_is_told() -> None:
    assert run("--version").output.strip() == f"jan-ort, version {__version__}"


@pytest.mark.parametrize(
    ("arguments", "needles"),
    [
        (["--port", "70000"], ["--port", "'70000'"]),
        (["--num-slots", "many"], ["--num-slots", "'many'"]),
        (["--backend", "onxruntime"], ["'onxruntime'", "did you mean 'onnxruntime'"]),
        (["--model", "no-such-model"], ["no-such-model"]),
        (["--model", "/no/such/folder"], ["/no/such/folder"]),
        (["--api-key", ""], ["--api-key", "blank"]),
        (["--host", "0.0.0.0"], ["0.0.0.0", "--api-key", "--allow-unauthenticated"]),
        (["--host", "127.0.0.1.example.org"], ["--api-key"]),
        (["--host", "203.0.113.7", "--api-key", "k", "--backend", "reference"], ["203.0.113.7", "choose another"]),
        (["--no-such-flag"], ["--no-such-flag"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_cannot_be_right_is_refused_and_named(arguments: list[str], needles: list[str]) -> None:
    result = run("serve", "--port", "0", *arguments)

    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, SystemExit)
    error = result.output.strip().splitlines()[-1]
    assert [needle for needle in needles if needle not in error] == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("ls", "--json"), "known"),
        (("list", "--json"), "known"),
        (("rm", "--help"), "models remove"),
        (("pull", "--help"), "models pull"),
        (("search", "--help"), "models search"),
        (("start", "--help"), "serve [OPTIONS] [MODEL]"),
        (("run", "--help"), "chat [OPTIONS]"),
        (("run", "no-such-model"), "unknown model 'no-such-model'"),
        (("ps",), "/v1/models"),
        (("show", "smollm2"), "/v1/models/NAME"),
        (("stop",), "Ctrl-C"),
        (("create", "mine", "-f", "Modelfile"), "models convert"),
        (("status",), "/status"),
    ],
    ids=lambda value: value[0],
)
def test_what_other_programs_call_our_commands_is_understood(typed: tuple[str, ...], meant: str) -> None:
    output = run(*typed).output

    assert meant in output


def test_a_model_may_stand_behind_serve() -> None:
    assert "no-such-model" in run("serve", "no-such-model", "--port", "0").output


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    result = run("serve", "--port", "0", "--model", str(tmp_path))

    assert result.exit_code == 1
    assert str(tmp_path) in result.output


def test_a_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        result = run("serve", "--backend", "reference", "--port", str(port))

    assert result.exit_code == 1
    (line,) = result.output.strip().splitlines()
    assert line.startswith(f"Error: cannot listen on 127.0.0.1:{port}: [")
    assert f"{errno.EADDRINUSE}] " in line
    assert line.endswith("; choose another --host or --port")


def test_a_port_for_metrics_that_is_taken_is_refused_before_models_are_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        result = run("serve", "--backend", "reference", "--port", "0", "--metrics-port", str(port))

    assert result.exit_code == 1
    (line,) = result.output.strip().splitlines()
    assert line.startswith(f"Error: cannot listen on 127.0.0.1:{port}: [")
    assert line.endswith("; choose another --metrics-host or --metrics-port")


@pytest.mark.parametrize("group", ["", *COMMANDS])
def test_no_line_of_a_list_of_commands_is_cut(group: str) -> None:
    listed = run(*group.split(), "--help").output.partition("\nCommands:\n")[2]

    assert [line for line in listed.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("command", ["chat", "bench"])
def test_the_key_of_a_command_that_asks_a_server_is_what_it_sends(command: str) -> None:
    assert "--api-key VALUE Key to send to the server at URL" in " ".join(run(command, "--help").output.split())


@pytest.mark.skipif(sys.platform == "win32", reason="arguments are Unicode there")
def test_a_question_in_another_encoding_is_refused() -> None:
    command = [sys.executable, "-m", "jan_ort", "chat", b"caf\xe9", "--url", "http://127.0.0.1:9"]

    asked = subprocess.run(command, env=environment(PYTHONUTF8="1"), capture_output=True, text=True)

    assert asked.returncode == 2
    assert "'caf\\udce9' is not in the encoding of the locale (utf-8)" in asked.stderr


def test_an_output_that_cannot_hold_every_letter_gets_what_it_can(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jan_ort", "models", "list", "--cache-dir", str(tmp_path / "日本→é")]

    listed = subprocess.run(command, env=environment(PYTHONIOENCODING="cp437"), capture_output=True)

    assert listed.returncode == 0, listed.stderr
    assert "\\u65e5\\u672c\\u2192é" in listed.stdout.decode("cp437")


def test_a_variable_is_a_setting_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_BACKEND", "nobody")

    result = run("serve", "--port", "0")

    assert result.exit_code == 1
    assert "'nobody'" in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_help_and_has_its_own(command: str) -> None:
    listed, own = run("--help"), run(command, "--help")

    assert f"\n  {command} " in listed.output
    assert own.exit_code == 0
    assert own.output.startswith(f"Usage: main {command} ")


@pytest.mark.parametrize("typed", [(each,) for each in COMMANDS] + [("models", "list"), ("service", "status")])
def test_verbose_works_after_every_command(typed: tuple[str, ...]) -> None:
    assert "-v, --verbose" in run(*typed, "-v", "--help").output


def test_an_unknown_command_is_wrong_usage() -> None:
    result = run("sevre")

    assert result.exit_code == 2
    assert "No such command 'sevre'. Did you mean 'serve'?" in result.output


@pytest.mark.parametrize(("name", "meant"), [("rm", "remove"), ("ls", "list")])
def test_short_names_of_models_commands_are_understood(name: str, meant: str) -> None:
    assert f"models {meant} " in run("models", name, "--help").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "abc"], "--port (JAN_ORT_PORT) is 'abc': it must be a valid integer"),
        (["--backend-option", "x"], "--backend-option (JAN_ORT_BACKEND_OPTION) is 'x': 'x' is not NAME=VALUE"),
    ],
)
def test_a_wrong_setting_is_told_in_words_of_the_user(arguments: list[str], said: str) -> None:
    assert said in run("serve", *arguments).output


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["chat", "--help"], ["models", "--help"]])
def test_nothing_heavy_is_imported_to_begin_with(arguments: list[str]) -> None:
    heavy = ("onnxruntime", "onnx", "gguf", "optimum", "torch", "transformers", "huggingface_hub", "rich", "llguidance")
    code = (
        "import sys\nfrom jan_ort.cli.program import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        f"print('imported:', *[name for name in {heavy!r} if name in sys.modules])"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert result.stdout.splitlines()[-1] == "imported:"


@pytest.mark.parametrize("command", [["-m", "jan_ort", "--version"], ["-m", "jan_ort", "models", "--help"]])
def test_what_needs_no_server_imports_none(command: list[str]) -> None:
    heavy = ("quart", "hypercorn", "pydantic", "jinja2", "tokenizers", "numpy", "llguidance", "jan_ort_openapi")

    result = subprocess.run(
        [sys.executable, "-X", "importtime", *command], capture_output=True, text=True, timeout=60, check=True
    )

    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "jan_ort.cli.program" in imported
    assert imported & set(heavy) == set()


def test_what_answers_http_is_not_imported_before_a_server_loads_its_models() -> None:
    heavy = ("quart", "hypercorn", "h2")
    code = f"import sys, jan_ort.cli.commands.serve\nprint(*[name for name in {heavy!r} if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert result.stdout.split() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
@pytest.mark.parametrize("command", [["--help"], ["config", "show"]])
def test_a_full_disk_is_told_in_a_line(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "jan_ort", *command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )

    assert result.returncode == 1
    assert result.stderr == "Error: [Errno 28] No space left on device\n"
