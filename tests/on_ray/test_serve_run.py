"""Ray's own command with the YAML of docs/scale.md, and a second application beside it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from tests.e2e.server_process import ServerProcess, environment, free_port, ready, running

DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"
SERVE = Path(sys.executable).with_name("serve")

pytestmark = pytest.mark.skipif(not SERVE.exists(), reason="Ray is not installed (pip install -e '.[ray]')")


def variables() -> dict[str, str]:
    """Return what the document exports before Ray's commands."""
    return dict(re.findall(r"^export (RAY_\w+)=(\S+)", DOCUMENT.read_text(), re.MULTILINE))


@contextmanager
def serve_run(folder: Path, port: int, *words: str) -> Iterator[ServerProcess]:
    env = environment(**variables(), RAY_USAGE_STATS_ENABLED="0", JAN_ORT_BACKEND="reference")
    with running([str(SERVE), "run", *words], folder, env, 60) as (process, log):
        yield ready(process, f"http://127.0.0.1:{port}", log)


def written(folder: Path, port: int) -> Path:
    """Write the document's YAML for the reference model and a second application, on a port of our own."""
    (block,) = re.findall(r"```yaml\n(# serve run.*?)```", DOCUMENT.read_text(), re.DOTALL)
    config = yaml.safe_load(block)
    (application,) = config["applications"]
    application["args"]["model"] = "reference"
    deployment = application["deployments"][0]
    deployment["ray_actor_options"] = {"num_cpus": 0.1}
    deployment["autoscaling_config"] |= {"min_replicas": 1}
    second = {**application, "name": "jan-ort-ranks", "route_prefix": "/jan-ort-ranks"}
    second["args"] = {"model": "reference-reranker"}
    config["applications"].append(second)
    config["http_options"]["port"] = port
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_document_s_yaml_serves_with_its_variables(tmp_path: Path) -> None:
    port = free_port()
    with serve_run(tmp_path, port, str(written(tmp_path, port))) as server:
        names = [each.id for each in server.client().models.list()]
        answer = httpx.post(f"{server.url}/v1/chat/completions", json={"messages": [{"role": "user", "content": "hi"}]})
        log = server.log.read_text()

    assert names == ["reference", "reference-reranker"]
    assert answer.status_code == 200
    assert "is not jan_ort.on_ray.front:middlewares here" not in log
