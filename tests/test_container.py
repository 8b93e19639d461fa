"""The container: what its image is built from, step by step where no Docker is, and how compose runs it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Command

from jan_ort.cli.program import main
from jan_ort.settings.schema import Settings

ROOT = Path(__file__).parents[1]
Step = tuple[str, str]


def steps() -> list[list[Step]]:
    """Return the instructions of the Dockerfile, of each stage; those before the first one are left out."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[Step]] = []
    for line in filter(str.strip, text.splitlines()):
        word, rest = line.strip().split(maxsplit=1)
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def rest_of(stage: list[Step], word: str) -> str:
    (rest,) = [rest for each, rest in stage if each == word]
    return rest


def environment(stage: list[Step]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(rest_of(stage, "ENV")))


def test_both_stages_have_one_base_with_its_whole_version() -> None:
    (base,) = re.findall(r"^ARG BASE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert [rest_of(stage, "FROM") for stage in steps()] == ["${BASE} AS build", "${BASE}"]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)


def test_what_runs_has_no_compiler_no_sources_and_no_rights() -> None:
    final = steps()[-1]

    assert not re.search(
        r"\b(apt|gcc|build-essential|pip|sudo)\b", " ".join(rest for word, rest in final if word == "RUN")
    )
    assert rest_of(final, "COPY").startswith("--from=build ")
    assert int(rest_of(final, "USER")) > 0
    assert [word for word, _ in final if word in ("USER", "ENTRYPOINT")] == ["USER", "ENTRYPOINT"]


def test_its_settings_are_settings_and_its_volume_is_the_cache() -> None:
    final = steps()[-1]
    names = [name for name in environment(final) if name.startswith("JAN_ORT_")]

    assert {name.removeprefix("JAN_ORT_").lower() for name in names} <= set(Settings.model_fields)
    assert environment(final)["JAN_ORT_CACHE_DIR"] == rest_of(final, "VOLUME")
    assert rest_of(final, "EXPOSE") == str(Settings.model_fields["port"].default)


def test_what_it_runs_is_a_command() -> None:
    final = steps()[-1]
    program, *words = json.loads(rest_of(final, "ENTRYPOINT")) + json.loads(rest_of(final, "CMD"))
    _, command, rest = main.resolve_command(main.make_context(program, ["serve"]), words)

    assert program == "jan-ort"
    assert isinstance(command, Command)
    assert (command.name, rest) == ("serve", [])


def test_its_health_is_asked_of_what_is_alive_while_it_loads() -> None:
    options, _, command = rest_of(steps()[-1], "HEALTHCHECK").partition("CMD ")
    program, flag, code = json.loads(command)

    assert (program, flag) == ("python", "-c")
    assert "http://127.0.0.1:8000/livez" in code
    assert re.findall(r"--[\w-]+", options) == ["--interval", "--timeout", "--start-period"]
    refused = subprocess.run([sys.executable, flag, code.replace(":8000", ":1")], capture_output=True, check=False)
    assert refused.returncode != 0


def context(target: Path) -> Path:
    """Copy what .dockerignore leaves of the checkout."""
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            source, copy = ROOT / line[1:], target / line[1:]
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy)
    return target


def test_what_docker_is_given_is_enough_to_install_and_run(tmp_path: Path) -> None:
    (install,) = [rest for word, rest in steps()[0] if word == "RUN" and "pip install" in rest]
    parts = [word for word in shlex.split(install) if word.startswith(".")]
    target = tmp_path / "installed"
    without_network = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]

    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *without_network, *(part.partition("[")[0] for part in parts)],
        cwd=context(tmp_path / "context"),
        check=True,
    )
    # Without the .pth file of an editable installation, which lies where site looks.
    code = f"import sys; sys.path.insert(0, {str(target)!r}); import jan_ort.cli.commands.serve as s; print(s.__file__)"
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert parts == ["./openapi", ".[images,otel]"]
    assert told.stdout.startswith(str(target))
    assert (target / "jan_ort_openapi" / "openapi.json").is_file()


def test_compose_has_a_key_a_volume_and_time_to_stop() -> None:
    (service,) = composed()["services"].values()

    assert service["environment"]["JAN_ORT_API_KEY"].startswith("${JAN_ORT_API_KEY:?")
    assert {name.removeprefix("JAN_ORT_").lower() for name in service["environment"]} <= set(Settings.model_fields)
    assert service["volumes"] == ["models:/cache"]
    assert int(service["stop_grace_period"].removesuffix("s")) >= 35, "30 s for requests, and 5 to free models"
    assert service["ports"] == ["127.0.0.1:8000:8000"]


def composed() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert set(read) == {"services", "volumes"}
    return read


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="there is no docker-compose")
def test_compose_itself_finds_nothing_wrong() -> None:
    checked = subprocess.run(
        ["docker-compose", "-f", str(ROOT / "compose.yaml"), "config", "-q"],
        env={"JAN_ORT_API_KEY": "k", "PATH": "/usr/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
