"""``jan-ort service``: have the system run the server, from its start on and again after a crash."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from jan_ort.cli.commands.failures import reported
from jan_ort.cli.saying import say
from jan_ort.cli.service import applying
from jan_ort.cli.service.plan import ServedAs, ServiceError, ServicePlan
from jan_ort.cli.service.systemd import check_reachable
from jan_ort.settings.schema import Settings

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")


def _check_name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not _NAME.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not a service name: use up to 64 letters, digits and _ . -")
    return value


def _which(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags that say which service is meant."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Only show what would be written and run."),
        click.option(
            "--system", is_flag=True, help="For the whole machine: needs root or an administrator; not on a Mac."
        ),
        click.option(
            "--name", default="jan-ort", callback=_check_name, help="Name of the service; by default jan-ort."
        ),
    ):
        command = option(command)
    return command


@contextmanager
def _failures() -> Iterator[None]:
    with reported():
        try:
            yield
        except ServiceError as error:
            raise click.ClickException(str(error)) from error


def _served(config: Path | None, *, name: str, system: bool, socket: bool) -> ServedAs:
    settings = Settings.read(config=None if config is None else str(config))
    path = None if config is None else config.expanduser().resolve()
    return ServedAs(name, path, settings.host, settings.port, settings.drain_s, system, socket)


def _plan_of(name: str, *, system: bool) -> ServicePlan:
    """Return the plan by which what was installed is found again; with a socket, which may be there."""
    with_socket = sys.platform == "linux"
    return applying.plan_here(ServedAs(name, None, "127.0.0.1", 8000, None, system, with_socket))


@click.group()
def service() -> None:
    """Run the server as a service: by systemd, launchd or Windows' task scheduler."""


@service.command(short_help="Write the service and start it, now and later.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="TOML file of the service's settings; otherwise your config.toml."
)
@click.option("--socket", is_flag=True, help="Let systemd hold the port, so that it stays open during a restart.")
@_which
def install(*, config: Path | None, socket: bool, dry_run: bool, name: str, system: bool) -> None:
    """Write the service, start it, and have it started again with the machine or your session.

    Its settings are those of the file: variables that are set here are not there. Installing again changes it.
    """
    with _failures():
        if system and sys.platform == "linux":
            check_reachable(Path(sys.executable))
        plan = applying.plan_here(_served(config, name=name, system=system, socket=socket))
        for variable in sorted(name for name in os.environ if name.upper().startswith("JAN_ORT_")):
            say(f"The service will not see the variable {variable}; set it in the settings file.", err=True)
        if dry_run:
            say(applying.described(plan, plan.start, with_files=True))
            return
        applying.install(plan)
    say(f"The service is installed: {plan.files[0].path}")
    say(f"'jan-ort service status' shows its state. {plan.note}".rstrip())


@service.command(short_help="Stop the service and remove it; models stay.")
@_which
def uninstall(*, dry_run: bool, name: str, system: bool) -> None:
    """Stop the service and remove what was written for it; models and settings stay."""
    with _failures():
        plan = _plan_of(name, system=system)
        if dry_run:
            say(applying.described(plan, [*plan.stop, *plan.forget], with_files=False))
            return
        applying.uninstall(plan)
    say(f"The service is removed: {plan.files[0].path}")


@service.command(short_help="Show what the system says of the service.")
@_which
def status(*, dry_run: bool, name: str, system: bool) -> None:
    """Show what the system says of the service; the exit status is the system's, 0 while it runs."""
    with _failures():
        plan = _plan_of(name, system=system)
        if dry_run:
            say(applying.described(plan, [plan.status], with_files=False))
            return
        code, said = applying.status(plan)
    say(said)
    sys.exit(code)
