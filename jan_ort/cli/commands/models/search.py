"""``jan-ort models search``: models of the hub that can be served."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.saying import say
from jan_ort.cli.text_table import text_table


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Number of models to list.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON: a list of the models.")
def search(*, words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List models of the Hugging Face hub with WORDS in their names that can be served, the most fetched first."""
    from jan_ort.models.sources.hub_search import search_hub

    text = " ".join(words)
    with reported():
        found = search_hub(text, limit)
    if as_json:
        say(json.dumps([asdict(each) for each in found], indent=2))
        return
    if not found:
        say(f"The hub has no model for {text!r} that can be served here; fewer words find more.")
        return
    rows = [
        (each.hub_id, each.task, ", ".join(each.formats), f"{each.downloads:,}", _remark(each.is_gated))
        for each in found
    ]
    say(text_table(("model", "task", "formats", "downloads", ""), rows))
    say()
    say("Found by name, not tested. Serve one with 'jan-ort serve --model MODEL'.")


def _remark(is_gated: bool) -> str:
    return "terms to accept" if is_gated else ""
