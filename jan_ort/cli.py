"""The command line: ``jan-ort serve``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, get_args

import click

from jan_ort._version import __version__
from jan_ort.auth import is_loopback
from jan_ort.backend_choice import NoBackendError
from jan_ort.launcher import BindError, bind, launch
from jan_ort.model_choice import check_settings
from jan_ort.models.errors import ModelsError
from jan_ort.settings import Settings, SettingsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jan-ort")
@click.option("-v", "--verbose", is_flag=True, help="Log more: tracebacks, and what each step does.")
def main(*, verbose: bool) -> None:
    """Serve ONNX models with OpenAI's API."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for name in ("asyncio", "hypercorn.error", "httpx", "httpx2", "httpcore", "filelock"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add one flag for each setting, with its type and description: one schema for flags and environment."""
    for name, field in reversed(Settings.model_fields.items()):
        flag = f"--{name.replace('_', '-')}"
        help_text = f"{field.description} [env: JAN_ORT_{name.upper()}]"
        if field.annotation is bool:
            option = click.option(flag, name, is_flag=True, default=None, help=help_text)
        else:
            option = click.option(flag, name, default=None, metavar=_metavar(field.annotation), help=help_text)
        command = option(command)
    return command


def _metavar(annotation: Any) -> str:
    """Return how a value of this type is shown in the help."""
    choices = [choice for choice in get_args(annotation) if isinstance(choice, str)]
    if choices:
        return "|".join(choices)
    return "N" if int in (annotation, *get_args(annotation)) else "VALUE"


@main.command()
@_settings_options
def serve(**flags: Any) -> None:
    """Serve until Ctrl-C: by default two small models, fetched at the first start, on http://127.0.0.1:8000."""
    try:
        settings = Settings.read(**flags)
        _check_exposure(settings)
        check_settings(settings)
        listener = bind(settings.host, settings.port)
    except (SettingsError, NoBackendError, ModelsError, BindError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(launch(settings, listener))


def _check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond this machine without a key, unless told so explicitly."""
    loopback = settings.host == "localhost" or is_loopback(settings.host)
    if settings.api_key is None and not settings.allow_unauthenticated and not loopback:
        raise click.UsageError(
            f"--host {settings.host} is reachable from other machines: give --api-key KEY, or say "
            "--allow-unauthenticated to serve without one"
        )


if __name__ == "__main__":
    main()
