"""The dashboard and the alert rules ask for metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.http.handlers.serving import Client, complete

FILES = Path(__file__).parents[3] / "docs" / "operating"
NAMES = re.compile(r"(?:vllm:|jan_ort_)\w+(?<!model_name)")


def expressions() -> list[str]:
    panels = json.loads((FILES / "grafana-dashboard.json").read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.fixture
def promtool() -> str:
    return shutil.which("promtool") or pytest.skip("promtool is not installed (Debian's package prometheus has it)")


async def test_what_is_asked_for_is_there(client: Client) -> None:
    await complete(client)
    text = await (await client.get("/metrics")).get_data(as_text=True)
    rules = (FILES / "alerts.yml").read_text(encoding="utf-8")
    asked = {name for each in (*expressions(), rules) for name in NAMES.findall(each)}

    assert len(asked) > 10
    assert sorted(name for name in asked if f"\n{name}{{" not in text) == []


def test_promtool_reads_the_rules_and_the_dashboard(promtool: str, tmp_path: Path) -> None:
    plain = [re.sub(r"\[\$__rate_interval\]", "[5m]", each).replace("$model", ".*") for each in expressions()]
    rules = [{"record": f"panel:{at}", "expr": each} for at, each in enumerate(plain)]
    panels = tmp_path / "panels.yml"
    panels.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")

    for path in (FILES / "alerts.yml", panels):
        checked = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


async def test_promtool_reads_a_scrape(promtool: str, client: Client) -> None:
    await complete(client)
    scrape = await (await client.get("/metrics")).get_data()

    checked = subprocess.run([promtool, "check", "metrics"], input=scrape, capture_output=True, check=False)  # noqa: ASYNC221
    complaints = [line for line in checked.stdout.decode().splitlines() + checked.stderr.decode().splitlines() if line]
    assert [each for each in complaints if "should not contain ':'" not in each] == []  # vLLM's names have them
