"""A unit of systemd, for the user or the machine, and a socket that outlives restarts."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from pathlib import Path

from jan_ort.cli.service.plan import (
    DESCRIPTION,
    Command,
    ServedAs,
    ServiceError,
    ServiceFile,
    ServicePlan,
    command,
)

_SYSTEM_UNITS = Path("/etc/systemd/system")


def plan_systemd(served: ServedAs, executable: str = sys.executable) -> ServicePlan:
    """Return the plan. Raises: ServiceError."""
    folder = _SYSTEM_UNITS if served.is_system else _user_units()
    service = ServiceFile(folder / f"{served.name}.service", _service(served, executable))
    files = (
        (service, ServiceFile(folder / f"{served.name}.socket", _socket(served))) if served.with_socket else (service,)
    )
    units = [file.path.name for file in reversed(files)]
    return ServicePlan(
        files=files,
        start=(
            _systemctl(served, "daemon-reload"),
            _systemctl(served, "enable", *units),
            # A socket cannot be started under the service that it is for.
            _systemctl(served, "stop", *reversed(units), may_fail=True),
            _systemctl(served, "start", *units),
        ),
        # One by one, for an unknown unit would keep systemctl from the others.
        stop=tuple(_systemctl(served, "disable", "--now", unit, may_fail=True) for unit in units),
        forget=(_systemctl(served, "daemon-reload"),),
        status=_systemctl(served, "status", "--no-pager", service.path.name, may_fail=True),
        note="" if served.is_system else "It runs while you are logged in; 'loginctl enable-linger' keeps it running.",
    )


def check_reachable(executable: Path) -> None:
    """Check that a user without rights can run a program. Raises: ServiceError."""
    for path in dict.fromkeys((executable.absolute(), executable.resolve())):
        if closed := next((each for each in path.parents if each.is_dir() and not each.stat().st_mode & 0o001), None):
            raise ServiceError(
                f"the service's own user could not run {path}: {closed} is closed to others. Install jan-ort where "
                "everybody can read it, as with 'python3 -m venv /opt/jan-ort', or leave out --system"
            )


def _user_units() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _systemctl(served: ServedAs, *words: str, may_fail: bool = False) -> Command:
    return command("systemctl", *([] if served.is_system else ["--user"]), *words, may_fail=may_fail)


def _service(served: ServedAs, executable: str) -> str:
    socket = [f"Requires={served.name}.socket", f"After={served.name}.socket"] if served.with_socket else []
    network = ["Wants=network-online.target", "After=network-online.target"] if served.is_system else []
    rights = _of_the_machine(served) if served.is_system else []
    # As a credential the settings, in which keys may be, are read by systemd and stay closed to other users.
    config = "${CREDENTIALS_DIRECTORY}/config.toml" if served.is_system and served.config else None
    words = [quoted(word) if word != config else word for word in served.command(executable, config)]
    return _text(
        ["[Unit]", f"Description={DESCRIPTION}", *network, *socket],
        [
            "[Service]",
            "Type=exec",
            f"ExecStart={' '.join(words)}",
            "Restart=on-failure",
            "RestartSec=5",
            "# Wrong settings stay wrong.",
            "RestartPreventExitStatus=2",
            "# The server ends what it has started itself, and first finishes its requests.",
            "KillMode=mixed",
            f"TimeoutStopSec={served.stop_s}",
            "NoNewPrivileges=yes",
            *rights,
        ],
        ["[Install]", f"WantedBy={'multi-user' if served.is_system else 'default'}.target"],
    )


def _of_the_machine(served: ServedAs) -> list[str]:
    """Return lines that give it a user of its own, with a place for models; devices stay open, for GPUs."""
    config = [f"LoadCredential=config.toml:{_escaped(str(served.config))}"] if served.config else []
    return [
        *("DynamicUser=yes", f"CacheDirectory={served.name}", f"Environment=JAN_ORT_CACHE_DIR=%C/{served.name}"),
        *("ProtectHome=read-only", "ProtectKernelTunables=yes", "ProtectControlGroups=yes", "RestrictSUIDSGID=yes"),
        *config,
    ]


def _socket(served: ServedAs) -> str:
    hosts = ["127.0.0.1", "::1"] if served.host == "localhost" else [served.host]
    return _text(
        ["[Unit]", f"Description=The port of {served.name}, which stays open while it restarts"],
        ["[Socket]", *(f"ListenStream={_address(host, served.port)}" for host in hosts), "BindIPv6Only=ipv6-only"],
        ["[Install]", "WantedBy=sockets.target"],
    )


def _address(host: str, port: int) -> str:
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        raise ServiceError(f"--socket needs an IP address or localhost, and the host is {host!r}; set host") from None
    if not port:
        raise ServiceError("--socket needs a port, and the port is 0, any one; set port")
    return f"[{host}]:{port}" if parsed.version == 6 else f"{host}:{port}"


def _text(*sections: list[str]) -> str:
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _escaped(word: str) -> str:
    return word.replace("%", "%%")


def quoted(word: str) -> str:
    """Return a word of a command as systemd reads it, in which $ and % stand for themselves."""
    plain = _escaped(word).replace("$", "$$")
    if re.fullmatch(r"[\w./:=@%$+,-]+", plain):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
