"""``jan-ort models remove``: take models out of the cache."""

from __future__ import annotations

from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.cli.saying import say
from jan_ort.ground.model_errors import CacheError
from jan_ort.ground.shown_text import shown
from jan_ort.models.cache.cached_models import cached_models, find_cached, remove_cached
from jan_ort.settings.schema import Settings


@click.command()
@click.argument("name", required=False)
@click.option("--old", is_flag=True, help="All models of older versions, which are made again when needed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--weights", metavar="int8|int4|fp16|int4-fp16|as-is", help="Which one, if several models have that name."
)
@setting_options(("cache_dir", "config"))
def remove(*, name: str | None, old: bool, yes: bool, weights: str | None, **flags: Any) -> None:
    """Remove NAME, a cached model's name or folder, from the cache; one that is in use is refused."""
    if old == (name is not None):
        raise click.UsageError("Give either NAME or --old.")
    with reported():
        cache_dir = Settings.read(**flags).cache_dir
        if name is not None:
            models = [find_cached(cache_dir, name, weights)]
        else:
            every = [model for model in cached_models(cache_dir) if not model.is_current]
            models = [model for model in every if weights in (None, model.weights)]
        failures: list[CacheError] = []
        for model in models:
            if not yes:
                click.confirm(f"Remove {shown(model.folder)} ({model.size_bytes / 1e6:.1f} MB)?", abort=True, err=True)
            try:
                remove_cached(model)
            except CacheError as error:  # others that are old can go all the same
                failures.append(error)
            else:
                say(f"removed {model.folder}", err=True)
        if failures:
            raise failures[0]
    if not models:
        say(f"no model of an older version is in {cache_dir}", err=True)
