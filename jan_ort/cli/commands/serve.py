"""``jan-ort serve``: check everything that can be checked, then serve."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Sequence
from typing import Any

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.commands.lazy_group import is_verbose
from jan_ort.cli.commands.setting_options import setting_options
from jan_ort.ground.shown_text import log_as
from jan_ort.http.auth import check_exposure
from jan_ort.http.bug_records.kept_log import keep_log
from jan_ort.http.launcher import BindError, bind_all, check_metrics_address, launch
from jan_ort.http.passed_sockets import PassedSocketError, passed_sockets
from jan_ort.http.protocol.descriptors import allowed_connections
from jan_ort.http.responses.store import check_store
from jan_ort.http.tls import server_tls
from jan_ort.serving.apart import apart
from jan_ort.serving.choice import check_settings
from jan_ort.settings.schema import Settings
from jan_ort.settings.value_sources import config_files

logger = logging.getLogger(__name__)


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@setting_options()
@click.option("--on", type=click.Choice(["ray"]), help="Serve on Ray Serve, with several replicas behind one port.")
@click.option("--replicas", type=click.IntRange(min=1), help="Number of replicas on Ray; 1 by default.")
@click.option("--max-replicas", type=click.IntRange(min=1), help="Most replicas on Ray, started while requests wait.")
def serve(
    *,
    models: tuple[str, ...],
    on: str | None,
    replicas: int | None,
    max_replicas: int | None,
    **flags: Any,
) -> None:
    """Serve until Ctrl-C: by default two small models, fetched at the first start, on http://127.0.0.1:8000.

    MODEL is the same as --model MODEL.
    """
    if on is None and (replicas or max_replicas):
        raise click.UsageError("--replicas and --max-replicas are for --on ray")
    with reported():
        flags["model"] = (*models, *(flags["model"] or ())) or None
        flags["log_level"] = flags["log_level"] or ("debug" if is_verbose() else None)
        settings = Settings.read(**flags)
        log_as(settings.log_level, in_json=settings.log_format == "json")
        check_exposure(settings)
        allowed_connections(settings.max_connections)
        check_store(settings)
        tls = server_tls(settings)
        checked = check_settings(settings)
        try:
            listeners = _listeners(settings)
        except (BindError, PassedSocketError) as error:
            raise click.ClickException(str(error)) from error
        keep_log(settings)  # not before: a refused start leaves nothing behind
        for path in config_files(settings.config):
            logger.info("reading settings from %s", path)
    if on is not None:
        sys.exit(_launch_on_ray(settings, apart(settings, checked.choices), listeners, replicas or 1, max_replicas))
    sys.exit(launch(settings, checked, listeners, tls))


def _launch_on_ray(
    settings: Settings, each: Sequence[Settings], listeners: list[socket.socket], num: int, at_most: int | None
) -> int:
    """Serve with Ray, whose proxy takes the port that was free a moment ago."""
    from jan_ort.on_ray.deployment import Replicas
    from jan_ort.on_ray.proxies import RayMissing
    from jan_ort.on_ray.running import launch_on_ray, share_of_cpus

    port = listeners[0].getsockname()[1]
    for listener in listeners:
        listener.close()
    replicas = Replicas(num, at_most, share_of_cpus(len(each) * (at_most or num)))
    try:
        with reported():
            return launch_on_ray(settings, each, replicas, port)
    except RayMissing as error:
        raise click.ClickException(str(error)) from error


def _listeners(settings: Settings) -> list[socket.socket]:
    """Return the sockets of the API, beside which the address of the metrics is free. Raises: BindError."""
    listeners = _passed(settings) or bind_all(settings.host, settings.port)
    try:
        check_metrics_address(settings)
    except BindError:
        for each in listeners:
            each.close()
        raise
    return listeners


def _passed(settings: Settings) -> list[socket.socket]:
    """Return the sockets that systemd has passed, whose addresses must be as harmless as --host."""
    passed = passed_sockets()
    for each in passed:
        check_exposure(settings.model_copy(update={"host": each.getsockname()[0]}))
    return passed
