"""``jan-ort models pull``: fetch and convert a model now, so that a later start needs no network."""

from __future__ import annotations

from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.cli.saying import say
from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.progress import show_progress
from jan_ort.ground.task import Task, find_task, task_names
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, Wanted
from jan_ort.settings.schema import Settings


@click.command()
@click.argument("name")
@click.option(
    "--task",
    type=click.Choice(task_names()),
    callback=lambda context, parameter, value: find_task(value),
    help="Task of a Hugging Face model; by default found from its files.",
)
@setting_options(("weights", "embedding_weights", "pooling", "memory_limit_mb", "cache_dir", "config"))
def pull(*, name: str, task: Task | None, **flags: Any) -> None:
    """Fetch NAME, a known name or a Hugging Face id (org/name, org/name:Q8_0), and print the path of its folder."""
    with reported():
        settings = Settings.read(**flags)
        source = find_source(name, Known(weights=settings.weights), task=task)
        if source.needs != "download":
            raise ModelReferenceError(
                f"{name} is on this machine already: serve it with --model, or convert it with 'jan-ort models convert'"
            )
        task = task or source.find_task(settings.cache_dir)
        wanted = Wanted(
            task,
            settings.weights,
            settings.memory_limit_mb,
            settings.pooling,
            embedding_weights=settings.embedding_weights,
        )
        with show_progress() as progress:
            path = source.make(wanted, settings.cache_dir, progress)
    say(str(path))
