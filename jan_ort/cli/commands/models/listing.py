"""``jan-ort models list``: the cached models, and the names that are known."""

from __future__ import annotations

import json
from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.cli.saying import say
from jan_ort.cli.text_table import text_table
from jan_ort.models.cache.cached_models import CachedModel, cached_models
from jan_ort.models.sources.catalog import CATALOG
from jan_ort.settings.schema import Settings


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write JSON: cache_dir, cached and known.")
@setting_options(("cache_dir", "config"))
def list_models(*, as_json: bool, **flags: Any) -> None:
    """List the cached models with size, weights, source and last use, and the known names."""
    with reported():
        cache_dir = Settings.read(**flags).cache_dir
        cached = cached_models(cache_dir)
    whole = {model.name for model in cached if model.damage is None and model.is_current}
    if as_json:
        known = [{"name": name, "task": model.task.name, "cached": name in whole} for name, model in CATALOG.items()]
        content = {"cache_dir": str(cache_dir), "cached": list(map(_describe, cached)), "known": known}
        say(json.dumps(content, indent=2))
        return
    say(_cached_text(cached) if cached else f"No model is cached in {cache_dir}.")
    if old := [model.size_bytes for model in cached if not model.is_current]:
        remedy = f"'jan-ort models remove --old' frees {_mb(sum(old))}"
        say(f"Models of an older version are made again when needed: {remedy}.")
    say()
    rows = [(name, model.task.name, "yes" if name in whole else "no") for name, model in CATALOG.items()]
    say(text_table(("known name", "task", "cached"), rows))


def _cached_text(cached: list[CachedModel]) -> str:
    header = ("model", "task", "size", "weights", "last used", "source")
    return text_table(
        header,
        [
            (
                model.name,
                model.task,
                _mb(model.size_bytes),
                model.weights,
                f"{model.last_used:%Y-%m-%d}",
                model.source + _remark(model),
            )
            for model in cached
        ],
    )


def _remark(model: CachedModel) -> str:
    if model.damage:
        return f" (damaged: {model.damage})"
    return "" if model.is_current else " (of an older version)"


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"


def _describe(model: CachedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "task": model.task,
        "size_bytes": model.size_bytes,
        "weights": model.weights,
        "source": model.source,
        "last_used": model.last_used.isoformat(timespec="seconds"),
        "folder": str(model.folder),
        "damage": model.damage,
        "is_current": model.is_current,
    }
