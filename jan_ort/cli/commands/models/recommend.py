"""``jan-ort models recommend``: three models for this machine, by its memory and cores."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.cli.saying import say
from jan_ort.cli.text_table import text_table
from jan_ort.ground.available_memory import available_bytes
from jan_ort.models.recommended import Recommendation, recommend
from jan_ort.settings.schema import Settings


@click.command("recommend")
@click.option("--json", "as_json", is_flag=True, help="Write JSON: a list of the models.")
@setting_options(("memory_limit_mb", "config"))
def recommend_models(*, as_json: bool, **flags: Any) -> None:
    """Name three models for this machine's memory and cores, small to large. No network is used."""
    with reported():
        limit_mb = Settings.read(**flags).memory_limit_mb
    memory, cores = limit_mb * 2**20 if limit_mb else available_bytes(), _num_cores()
    found = recommend(memory, cores)
    if as_json:
        say(json.dumps(list(map(_describe, found)), indent=2))
        return
    say(f"For {memory / 1e9:.1f} GB of available memory and {cores} cores:")
    say()
    if not found:
        say("No model fits: free some memory, or set --memory-limit-mb.")
        return
    say(text_table(("model", "weights", "download", "memory", "speed", "why"), list(map(_row, found))))
    say()
    for each in found:
        run = "run here" if each.model.was_run else "not run here; figures from"
        say(f"{each.model.reference}: {each.model.licence}, {run} {each.model.source}")
    say()
    last = found[-1]
    option = "" if last.weights == "int8" else f" --weights {last.weights}"
    say(f"Speed is estimated. Start with: jan-ort serve --model {last.model.reference}{option}")


def _num_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _row(each: Recommendation) -> tuple[str, ...]:
    return (
        each.model.reference,
        each.weights,
        f"{each.model.download_bytes / 1e9:.1f} GB",
        f"{each.memory_bytes / 1e9:.1f} GB",
        f"{each.tokens_per_s:.0f} tokens/s",
        each.why,
    )


def _describe(each: Recommendation) -> dict[str, Any]:
    return {
        "model": each.model.reference,
        "weights": each.weights,
        "download_bytes": int(each.model.download_bytes),
        "memory_bytes": each.memory_bytes,
        "estimated_tokens_per_s": round(each.tokens_per_s, 1),
        "why": each.why,
        "licence": each.model.licence,
        "source": each.model.source,
        "was_run": each.model.was_run,
    }
