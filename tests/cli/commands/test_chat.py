"""``jan-ort chat``, with the reference model in this process and with a running server."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from jan_ort.cli.program import main
from tests.cli.commands.running import add_plugin, last_error, run
from tests.e2e.server_process import ServerProcess, environment, serve
from tests.images.pictures import encoded
from tests.signals import send_signal

LOCAL = ("--backend", "reference")
SHORT = ("--temperature", "0", "--max-tokens", "6")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serve(tmp_path_factory.mktemp("chat"), "--backend", "reference", "--api-key", "k3y") as server:
        yield server


def test_one_question_is_answered_on_standard_output_alone() -> None:
    result = run("chat", "Hello", *LOCAL, *SHORT)

    assert result.exit_code == 0, result.output
    assert len(result.stdout.split()) > 2
    assert result.stderr == ""


def test_a_server_answers_what_the_same_model_in_this_process_does(server: ServerProcess) -> None:
    local = run("chat", "Hello", *LOCAL, *SHORT, "--system", "Be brief")
    remote = run("chat", "Hello", "--url", server.url, "--api-key", "k3y", *SHORT, "--system", "Be brief")
    with_version = run("chat", "Hello", "--url", f"{server.url}/v1/", "--api-key", "k3y", *SHORT)

    assert remote.exit_code == with_version.exit_code == 0
    assert remote.stdout == local.stdout
    assert with_version.stdout != remote.stdout


def test_a_question_is_read_from_standard_input() -> None:
    assert run("chat", "-", *LOCAL, *SHORT, stdin="Hello").stdout == run("chat", "Hello", *LOCAL, *SHORT).stdout


def test_a_conversation_goes_on_until_exit() -> None:
    result = run("chat", *LOCAL, *SHORT, stdin="Hello\n\nAnd then?\n/exit\nnever asked\n")

    assert result.exit_code == 0, result.output
    assert len([line for line in result.stdout.splitlines() if line.strip("> ")]) == 2
    assert "Chatting with reference" in result.stderr


def test_a_conversation_ends_with_its_input() -> None:
    assert run("chat", *LOCAL, stdin="").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["--url", "http://127.0.0.1:1"], "http://127.0.0.1:1"),
        (["--url", "localhost:8000"], "'localhost:8000'"),
        (["--url", "http://127.0.0.1:port"], "port"),
        (["--backend", "referense"], "did you mean 'reference'"),
        (["--model", "no-such-model"], "no-such-model"),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_cannot_answer_is_named(arguments: list[str], needle: str) -> None:
    result = run("chat", "Hello", *arguments)

    assert result.exit_code == 1
    assert needle in last_error(result)


def test_a_wrong_key_is_told(server: ServerProcess) -> None:
    result = run("chat", "Hello", "--url", server.url, "--api-key", "wrong")

    assert result.exit_code == 1
    assert "401" in last_error(result)
    assert "--api-key" in last_error(result)


SLOW = """
import time
from jan_ort_backends.reference import ReferenceBackend
class backend(ReferenceBackend):
    name = "slow"
    def open(self, model_dir, options):
        session = super().open(model_dir, options)
        step = session.step
        session.step = lambda batch: (time.sleep(0.1), step(batch))[1]
        return session
"""


def test_ctrl_c_ends_the_answer_and_not_the_conversation(plugins: Path) -> None:
    add_plugin(plugins, "slow", SLOW)
    command = [sys.executable, "-m", "jan_ort", "chat", "--backend", "slow", "--temperature", "0"]
    env = environment(PYTHONPATH=str(plugins))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=env, bufsize=0) as chat:
        assert chat.stdin is not None
        assert chat.stdout is not None
        chat.stdin.write(b"Tell me everything\n")
        while len(chat.stdout.read(64).strip(b"> ")) == 0:
            assert chat.poll() is None

        send_signal(chat.pid, signal.SIGINT)
        _, log = chat.communicate(b"/system Be brief\n/exit\n", timeout=60)

    assert [line for line in log.splitlines() if line in (b"(stopped)", b"system: Be brief")] == [
        b"(stopped)",
        b"system: Be brief",
    ]
    assert chat.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other errors for a closed pipe")
def test_whoever_has_read_enough_hears_of_no_error() -> None:
    command = [sys.executable, "-m", "jan_ort", "chat", "Hi", "--backend", "reference", "--max-tokens", "200"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as chat:
        assert chat.stdout is not None
        chat.stdout.close()
        assert chat.stderr is not None
        log = chat.stderr.read()

    assert b"Error" not in log
    assert b"Traceback" not in log


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["-"], b"\xff\xfe", "standard input is not UTF-8"),
        (["Hi", "--temperature", "nan"], b"", "nan is not a finite number of 0 or more"),
        (["Hi", "--temperature", "-1"], b"", "-1.0 is not a finite number of 0 or more"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_model_is_loaded(
    arguments: list[str], stdin: bytes, message: str
) -> None:
    result = CliRunner().invoke(main, ["chat", *arguments, "--backend", "reference"], input=stdin)

    assert result.exit_code == 2
    assert message in result.stderr
    assert "Loading" not in result.stderr


def test_images_go_with_the_first_question(tmp_path: Path) -> None:
    paths = [tmp_path / "dark.png", tmp_path / "light.png"]
    for path, shade in zip(paths, (10, 240), strict=True):
        path.write_bytes(encoded(np.full((4, 4, 3), shade, np.uint8)))
    model = (*LOCAL, "--model", "reference-images", *SHORT)

    answers = [run("chat", "Hello", *model, "--image", str(path)) for path in paths]

    assert [answer.exit_code for answer in answers] == [0, 0], answers[0].output
    assert answers[0].stdout != answers[1].stdout


@pytest.mark.parametrize(("name", "told"), [("a.txt", "end in .png"), ("none.png", "cannot be read: No such file")])
def test_a_file_that_is_no_picture_is_named_before_a_model_is_loaded(tmp_path: Path, name: str, told: str) -> None:
    result = run("chat", "Hello", *LOCAL, "--image", str(tmp_path / name))

    assert result.exit_code == 2
    assert told in result.stderr
