"""``jan-ort models pull``: fetch and convert a model now, so that a later start needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.ground.errors import ModelReferenceError
from jan_ort.ground.progress import show_progress
from jan_ort.ground.task import Task
from jan_ort.models.catalog import CATALOG
from jan_ort.models.hub_task import hub_task
from jan_ort.models.reference import HubReference, check_reference
from jan_ort.models.resolve import resolve_model
from jan_ort.settings.schema import Settings


@click.command()
@click.argument("name")
@click.option(
    "--task",
    type=click.Choice(["generate", "embed"]),
    help="What a Hugging Face model is for; if not given, what it holds tells.",
)
@setting_options(("weights", "cache_dir", "config"))
def pull(*, name: str, task: Task | None, **flags: Any) -> None:
    """Fetch NAME, a known name or a Hugging Face id (org/name, org/name:Q8_0), and write its folder's path."""
    with reported():
        settings = Settings.read(**flags)
        wanted = task or _task(name, settings.cache_dir)
        if isinstance(check_reference(name, task=wanted), HubReference) or name in CATALOG:
            with show_progress() as progress:
                path = resolve_model(
                    name, task=wanted, cache_dir=settings.cache_dir, weights=settings.weights, progress=progress
                )
            click.echo(path)
            return
        raise ModelReferenceError(
            f"{name} is on this machine already: serve it with --model, or convert it with 'jan-ort models convert'"
        )


def _task(name: str, cache_dir: Path) -> Task:
    """Return what a model is for of which the user did not say it. Raises: ModelReferenceError, FetchError."""
    if name in CATALOG:
        return CATALOG[name].task
    found = check_reference(name, task="generate")
    if not isinstance(found, HubReference):
        return "generate"
    return hub_task(found, cache_dir)
