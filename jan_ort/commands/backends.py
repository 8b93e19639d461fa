"""``jan-ort backends``: every installed backend plugin, usable or not, and what to do about it."""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass

import click

from jan_ort.commands.text_table import text_table
from jan_ort_backends import Available, Backend, Discovered, Missing, discover


@dataclass(frozen=True, slots=True)
class BackendReport:
    """One plugin as a script reads it; ``reason``, ``remedy`` and ``traceback`` are set where it is not usable."""

    name: str
    distribution: str
    version: str
    usable: bool
    capabilities: list[str]
    detail: str = ""
    reason: str | None = None
    remedy: str | None = None
    traceback: str | None = None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with the traceback of a plugin that is broken.")
def backends(*, as_json: bool) -> None:
    """List the installed backends: distribution, version, capabilities, and why one cannot be used."""
    with redirect_stdout(sys.stderr):  # a plugin that prints must not spoil the JSON
        reports = [report(each) for each in discover()]
    if as_json:
        click.echo(json.dumps([asdict(each) for each in reports], indent=2))
        return
    rows = [
        (each.name, " ".join(filter(None, (each.distribution, each.version))) or "-", _usable(each), _abilities(each))
        for each in reports
    ]
    click.echo(text_table(("backend", "distribution", "usable", "capabilities"), rows))
    for each in reports:
        if not each.usable:
            click.echo(f"\n{each.name} cannot be used: {each.reason}\n  remedy: {each.remedy}")


def report(found: Discovered) -> BackendReport:
    """Return what can be said of a plugin; one that fails while it is asked is reported as not usable."""
    backend = found.backend
    identity = (found.name, found.distribution, found.version)
    if backend is None:
        return BackendReport(*identity, False, [], reason=found.error, remedy=found.remedy, traceback=found.traceback)
    capabilities = sorted(str(capability) for capability in backend.capabilities)
    try:
        answer = _probe(backend)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even call sys.exit(); the others are reported all the same
        reason = f"its probe raised {type(error).__name__}: {' '.join(str(error).split())}"
        remedy = f"repair or uninstall {found.distribution or found.name}"
        return BackendReport(
            *identity, False, capabilities, reason=reason, remedy=remedy, traceback=traceback.format_exc()
        )
    if isinstance(answer, Missing):
        return BackendReport(*identity, False, capabilities, reason=answer.reason, remedy=answer.remedy)
    return BackendReport(*identity, True, capabilities, detail=answer.detail)


def _probe(backend: Backend) -> Available | Missing:
    answer = backend.probe()
    if not isinstance(answer, (Available, Missing)):
        raise TypeError(f"it returned {answer!r} and neither Available nor Missing")
    return answer


def _usable(report: BackendReport) -> str:
    return "yes" if report.usable else "no"


def _abilities(report: BackendReport) -> str:
    return ", ".join(report.capabilities) or "-"
