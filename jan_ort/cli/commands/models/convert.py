"""``jan-ort models convert``: a GGUF file or a folder with safetensors weights to a model folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.cli.saying import say
from jan_ort.ground.file_blocks import sha256_in_blocks
from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.progress import Progress, show_progress
from jan_ort.ground.task import GENERATE
from jan_ort.models.output_folder import output_folder
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, MadeSource, Wanted, check_mmproj
from jan_ort.settings.schema import Settings


@click.command()
@click.argument("source", metavar="FILE.gguf|FOLDER")
@click.option("--output", type=click.Path(path_type=Path), help="Output folder; by default in the cache.")
@setting_options(("weights", "embedding_weights", "pooling", "mmproj", "memory_limit_mb", "cache_dir", "config"))
def convert(*, source: str, output: Path | None, **flags: Any) -> None:
    """Convert a GGUF file, or a folder with safetensors weights, and write the path of the model folder."""
    with reported():
        settings = Settings.read(**flags)
        found = _check_source(source)
        task = found.stated_task() or GENERATE
        wanted = Wanted(
            task,
            settings.weights,
            settings.memory_limit_mb,
            settings.pooling,
            settings.mmproj,
            settings.embedding_weights,
        )
        check_mmproj(found, settings.mmproj)
        with show_progress() as progress:
            if output is None:
                progress(f"Reading {Path(str(found)).name}", 0.0)  # its checksum tells whether it is converted already
                output = found.make(wanted, settings.cache_dir, progress)
            else:
                with output_folder(output) as partial:
                    _convert(found, wanted, partial, progress)
    say(str(output))


def _check_source(source: str) -> MadeSource:
    """Return what is to be converted. Raises: ModelReferenceError."""
    path = Path(source).expanduser()
    if not path.exists():
        raise ModelReferenceError(f"{source!r} does not exist; name a FILE.gguf or a folder with safetensors weights")
    # As an absolute path: a name of the catalogue would win over a file of that name.
    found = find_source(str(path.absolute()), Known())
    if isinstance(found, MadeSource) and found.needs == "conversion":
        return found
    raise ModelReferenceError(f"{source} is a model folder already; serve it with --model {source}")


def _convert(source: MadeSource, wanted: Wanted, target: Path, progress: Progress) -> None:
    key = source.key(wanted, lambda path: sha256_in_blocks(path, progress))
    assert key is not None, "every checksum is known"
    with tempfile.TemporaryDirectory() as work:
        source.build(wanted, key, Path(work), target, progress)
