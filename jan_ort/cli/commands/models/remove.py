"""``jan-ort models remove``: take a model out of the cache."""

from __future__ import annotations

from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.cli.saying import say
from jan_ort.ground.shown_text import shown
from jan_ort.models.cache.cached_models import find_cached, remove_cached
from jan_ort.settings.schema import Settings


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--weights", metavar="int8|int4|fp16|int4-fp16|as-is", help="Which one, if several models have that name."
)
@setting_options(("cache_dir", "config"))
def remove(*, name: str, yes: bool, weights: str | None, **flags: Any) -> None:
    """Remove NAME, a cached model's name or folder, from the cache; one that is in use is refused."""
    with reported():
        model = find_cached(Settings.read(**flags).cache_dir, name, weights)
        if not yes:
            click.confirm(f"Remove {shown(model.folder)} ({model.size_bytes / 1e6:.1f} MB)?", abort=True, err=True)
        remove_cached(model)
    say(f"removed {model.folder}", err=True)
