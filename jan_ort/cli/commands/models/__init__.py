"""``jan-ort models``: what can be done with models before they are served."""

import click

from jan_ort.cli.commands.lazy_group import LazyGroup

_COMMANDS = {
    "list": ("jan_ort.cli.commands.models.listing:list_models", "List the cached models and the known names."),
    "search": ("jan_ort.cli.commands.models.search:search", "Search the Hugging Face hub for models to serve."),
    "recommend": ("jan_ort.cli.commands.models.recommend:recommend_models", "Name three models for this machine."),
    "pull": ("jan_ort.cli.commands.models.pull:pull", "Fetch a model into the cache."),
    "convert": ("jan_ort.cli.commands.models.convert:convert", "Convert a GGUF file to a model folder."),
    "export": ("jan_ort.cli.commands.models.export:export", "Export a model to ONNX with optimum."),
    "remove": ("jan_ort.cli.commands.models.remove:remove", "Remove a model from the cache."),
}


@click.group(cls=LazyGroup, places=_COMMANDS, others={"ls": "list", "rm": "remove"})
def models() -> None:
    """List, find, fetch, convert, export and remove models."""
