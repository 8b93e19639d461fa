"""``jan-ort models export``: a PyTorch model to a model folder, with optimum."""

from __future__ import annotations

from pathlib import Path

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.saying import say
from jan_ort.ground.progress import show_progress
from jan_ort.ground.task import GENERATE, Task, find_task
from jan_ort.models.optimum_export import OPTIMUM_TASKS, Dtype, export_model
from jan_ort.models.output_folder import output_folder


@click.command()
@click.argument("source", metavar="ID|FOLDER")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Output folder.")
@click.option(
    "--task",
    type=click.Choice([task.name for task in OPTIMUM_TASKS]),
    callback=lambda context, parameter, value: find_task(value),
    default=GENERATE.name,
    show_default=True,
    help="Task of the model.",
)
@click.option(
    "--dtype", type=click.Choice(["fp32", "fp16", "bf16"]), default="fp32", show_default=True, help="Type of weights."
)
def export(*, source: str, output: Path, task: Task, dtype: Dtype) -> None:
    """Export a Hugging Face id, or a folder with safetensors weights; needs the extra "export"."""
    with reported(), output_folder(output) as partial, show_progress() as progress:
        export_model(source, partial, task=task, dtype=dtype, progress=progress)
    say(str(output))
