"""The Kustomize folder: what Kubernetes is told, by its schemas, by our own settings, and by running the command."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click import Command

from jan_ort.cli.program import main
from jan_ort.settings.schema import Settings
from tests.deploy.configured import DEPLOY
from tests.e2e.server_process import environment, free_port, ready, running

FOLDER = DEPLOY / "kubernetes"
FREEING_S = 5
VERSION = "1.31"


def resources() -> list[dict[str, Any]]:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    return [each for name in listed for each in yaml.safe_load_all((FOLDER / name).read_text())]


def pod() -> dict[str, Any]:
    (servers,) = [each for each in resources() if each["kind"] == "StatefulSet"]
    found: dict[str, Any] = servers["spec"]["template"]["spec"]
    return found


def server() -> dict[str, Any]:
    (container,) = pod()["containers"]
    found: dict[str, Any] = container
    return found


def values(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def test_every_file_of_the_folder_is_a_resource() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]

    assert {each.name for each in FOLDER.iterdir()} == {"kustomization.yaml", *listed}


@pytest.mark.parametrize("resource", resources(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_kubernetes_schemas_find_nothing_wrong(resource: dict[str, Any]) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed (tox -e deploy)")

    validate.validate(resource, VERSION, strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")
def test_kustomize_itself_renders_all_of_it() -> None:
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, check=True, timeout=60
    ).stdout

    kinds = [each["kind"] for each in yaml.safe_load_all(rendered)]
    assert sorted(kinds) == sorted(each["kind"] for each in resources())


@pytest.mark.parametrize("container", [*pod()["initContainers"], *pod()["containers"]], ids=lambda each: each["name"])
def test_a_container_runs_a_command_with_settings_that_there_are(container: dict[str, Any]) -> None:
    group, *words = container["args"]
    context = main.make_context("jan-ort", [group, *words])
    _, command, rest = main.resolve_command(context, [group, *words])
    names = {each["name"] for each in container["env"]} - {"HOME"}

    assert isinstance(command, Command)
    assert rest == words
    assert {each.removeprefix("JAN_ORT_").lower() for each in names} <= set(Settings.model_fields)


def test_it_has_no_right_that_it_does_not_need() -> None:
    spec = pod()

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    for each in (*spec["initContainers"], *spec["containers"]):
        assert each["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }


def test_what_it_writes_is_in_volumes() -> None:
    mounted = {each["mountPath"] for each in server()["volumeMounts"]}

    assert mounted == {"/cache", "/tmp"}  # noqa: S108
    assert all(value.startswith(tuple(mounted)) for name, value in values(server()).items() if value.startswith("/"))


def test_a_pod_has_time_to_finish_what_it_has_begun() -> None:
    before_s = int(server()["lifecycle"]["preStop"]["exec"]["command"][-1])
    drain_s = int(values(server())["JAN_ORT_DRAIN_S"])

    assert pod()["terminationGracePeriodSeconds"] >= before_s + drain_s + FREEING_S


def test_the_service_asks_for_a_port_that_there_is() -> None:
    ports = {each["name"]: each["containerPort"] for each in server()["ports"]}
    services = [each for each in resources() if each["kind"] == "Service"]

    assert {str(ports["http"]), str(ports["metrics"])} == {
        values(server())["JAN_ORT_PORT"],
        values(server())["JAN_ORT_METRICS_PORT"],
    }
    assert {port["targetPort"] for each in services for port in each["spec"]["ports"]} <= set(ports)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="containers are Linux")
def test_the_container_s_command_serves_what_the_probes_ask_and_ends_in_time(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    port = free_port()
    given = {name: value.replace("/cache", str(tmp_path / "cache")) for name, value in values(server()).items()}
    given |= {"JAN_ORT_PORT": str(port), "JAN_ORT_METRICS_PORT": str(free_port()), "JAN_ORT_API_KEY": "k"}
    env = environment(**given | {"JAN_ORT_BACKEND": "reference", "JAN_ORT_MODEL": "reference", "HOME": str(tmp_path)})
    command, *_ = server()["args"]

    with running([sys.executable, "-m", "jan_ort", command], tmp_path, env) as (process, log):
        asked = ready(process, f"http://127.0.0.1:{port}", log)
        probes = [server()[f"{each}Probe"]["httpGet"]["path"] for each in ("startup", "liveness", "readiness")]
        answers = [httpx.get(f"{asked.url}{path}").status_code for path in probes]
        metrics = httpx.get(f"http://127.0.0.1:{given['JAN_ORT_METRICS_PORT']}/metrics").text
        status, _ = asked.end(signal.SIGTERM)

    assert answers == [200, 200, 200]
    assert "vllm:num_requests_waiting" in metrics
    assert "vllm:kv_cache_usage_perc" in metrics
    assert status == 0
