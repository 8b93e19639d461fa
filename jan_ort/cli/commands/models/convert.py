"""``jan-ort models convert``: a GGUF file or a sentence-transformers folder to a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.ground.errors import ModelReferenceError
from jan_ort.ground.progress import Progress, show_progress
from jan_ort.ground.task import Task
from jan_ort.models.output_folder import output_folder
from jan_ort.models.reference import GgufReference, SentenceTransformersReference, check_reference
from jan_ort.models.resolve import convert_gguf_file, resolve_model
from jan_ort.settings.schema import Settings

Convertible = GgufReference | SentenceTransformersReference


@click.command()
@click.argument("source", metavar="FILE.gguf|FOLDER")
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write; into the cache if not given.")
@setting_options(("weights", "cache_dir", "config"))
def convert(*, source: str, output: Path | None, **flags: Any) -> None:
    """Convert a GGUF file, or a sentence-transformers folder, and write the path of the model folder."""
    with reported():
        settings = Settings.read(**flags)
        found = _check_source(source)
        with show_progress() as progress:
            if output is None:
                progress(f"Reading {found.path.name}", 0.0)  # its checksum tells whether it is converted already
                task: Task = "generate" if isinstance(found, GgufReference) else "embed"
                output = resolve_model(
                    str(found.path),
                    task=task,
                    cache_dir=settings.cache_dir,
                    weights=settings.weights,
                    progress=progress,
                )
            else:
                with output_folder(output) as partial:
                    _convert(found, partial, settings.weights, progress)
    click.echo(output)


def _check_source(source: str) -> Convertible:
    """Return what is to be converted. Raises: ModelReferenceError."""
    path = Path(source).expanduser()
    if not path.exists():
        raise ModelReferenceError(f"{source!r} does not exist; name a FILE.gguf or a sentence-transformers folder")
    task: Task = "embed" if (path / "modules.json").exists() else "generate"
    # As an absolute path: a name of the catalogue would win over a file of that name.
    found = check_reference(str(path.resolve()), task=task)
    if isinstance(found, (GgufReference, SentenceTransformersReference)):
        return found
    raise ModelReferenceError(f"{source} is a model folder already; serve it with --model {source}")


def _convert(source: Convertible, target: Path, weights: str, progress: Progress) -> None:
    if isinstance(source, GgufReference):
        convert_gguf_file(source.path, target, weights=weights, name=source.path.stem, progress=progress)
    else:
        # Imported late: onnx takes a quarter of a second, and a wrong source is told before that.
        from jan_ort.convert import convert_sentence_transformers

        convert_sentence_transformers(source.path, target, name=source.path.name, progress=progress)
