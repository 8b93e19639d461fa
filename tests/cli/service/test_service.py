"""``jan-ort service``: what it would write for each system, as that system's own parser reads it."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from jan_ort.cli.service import applying
from jan_ort.cli.service.launchd import plan_launchd
from jan_ort.cli.service.plan import Command, ServedAs, ServiceError, ServicePlan, command
from jan_ort.cli.service.systemd import check_reachable, plan_systemd, quoted
from jan_ort.cli.service.task_scheduler import plan_task
from tests.cli.commands.running import last_error, run

NEEDS_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="of systemd")


def served(**changes: object) -> ServedAs:
    given: dict[str, object] = {
        "name": "jan-ort",
        "config": Path("/etc/my models/100%.toml").absolute(),
        "host": "127.0.0.1",
        "port": 8390,
        "drain_s": None,
        "is_system": False,
        "with_socket": False,
    }
    return ServedAs(**(given | changes))  # type: ignore[arg-type]


@NEEDS_LINUX
@pytest.mark.parametrize("is_system", [False, True])
@pytest.mark.parametrize("with_socket", [False, True])
def test_systemd_finds_nothing_wrong(tmp_path: Path, is_system: bool, with_socket: bool) -> None:
    if (verifier := shutil.which("systemd-analyze")) is None:
        pytest.skip("there is no systemd")
    plan = plan_systemd(served(is_system=is_system, with_socket=with_socket))
    units = [tmp_path / file.path.name for file in plan.files]
    for unit, file in zip(units, plan.files, strict=True):
        unit.write_text(file.text)

    verified = subprocess.run(
        [
            verifier,
            "verify",
            "--man=no",
            "--recursive-errors=no",
            *(["--user"] if not is_system else []),
            *map(str, units),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=False,
    )

    assert (verified.returncode, [line for line in verified.stderr.splitlines() if "jan-ort" in line]) == (0, [])


def test_a_unit_for_the_machine_has_rights_of_its_own_and_the_settings_as_a_credential() -> None:
    lines = (
        plan_systemd(served(is_system=True, drain_s=5.0, config=Path("/etc/c.toml")), "/opt/py")
        .files[0]
        .text.splitlines()
    )

    assert "ExecStart=/opt/py -m jan_ort serve --config ${CREDENTIALS_DIRECTORY}/config.toml" in lines
    assert {"LoadCredential=config.toml:/etc/c.toml", "DynamicUser=yes", "TimeoutStopSec=15"} <= set(lines)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("/a/b-c.d", "/a/b-c.d"), ("/a b", '"/a b"'), ("50%", "50%%"), ("$HOME", "$$HOME"), ('q"\\', '"q\\"\\\\"')],
)
def test_a_word_means_itself(word: str, expected: str) -> None:
    assert quoted(word) == expected


@pytest.mark.parametrize(
    ("host", "port", "lines"),
    [
        ("localhost", 80, ["ListenStream=127.0.0.1:80", "ListenStream=[::1]:80"]),
        ("::", 81, ["ListenStream=[::]:81"]),
    ],
)
def test_a_socket_listens_where_the_server_would(host: str, port: int, lines: list[str]) -> None:
    unit = plan_systemd(served(host=host, port=port, with_socket=True)).files[1].text

    assert [line for line in unit.splitlines() if line.startswith("ListenStream")] == lines


@pytest.mark.parametrize(("host", "port", "said"), [("nas", 80, "'nas'; set host"), ("::1", 0, "set port")])
def test_a_socket_without_an_address_is_refused(host: str, port: int, said: str) -> None:
    with pytest.raises(ServiceError, match=said):
        plan_systemd(served(host=host, port=port, with_socket=True))


@NEEDS_LINUX
def test_a_program_that_others_cannot_reach_is_no_service_of_the_machine(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)

    with pytest.raises(ServiceError, match=r"closed to others.*leave out --system"):
        check_reachable(closed / "bin" / "python")


def test_launchd_reads_the_agent() -> None:
    plan = plan_launchd(served(), "/opt/py")
    keys = plistlib.loads(plan.files[0].text.encode())

    assert keys["ProgramArguments"] == ["/opt/py", "-m", "jan_ort", "serve", "--config", str(served().config)]
    assert (keys["Label"], keys["RunAtLoad"], keys["ExitTimeOut"]) == ("jan-ort", True, 40)
    assert plan.start[-1].argv[:2] == ("launchctl", "bootstrap")


@pytest.mark.parametrize("is_system", [False, True])
def test_windows_task_is_what_its_schema_wants(monkeypatch: pytest.MonkeyPatch, is_system: bool) -> None:
    monkeypatch.setenv("USERDOMAIN", "R&D")
    monkeypatch.setenv("USERNAME", "ann")
    file = plan_task(served(is_system=is_system), "C:/py/python.exe").files[0]
    task = ElementTree.fromstring(file.text.encode(file.encoding))  # noqa: S314
    texts = {each.tag.partition("}")[2]: each.text for each in task.iter()}

    assert [each.tag.partition("}")[2] for each in task] == [
        *("RegistrationInfo", "Triggers", "Principals", "Settings", "Actions")
    ]
    assert texts["UserId"] == ("S-1-5-19" if is_system else "R&D\\ann")
    assert ("BootTrigger" in texts, "LogonTrigger" in texts) == (is_system, not is_system)
    assert texts["Arguments"] == f'-m jan_ort serve --config "{served().config}"'
    assert texts["ExecutionTimeLimit"] == "PT0S"


@pytest.mark.parametrize("plan", [plan_launchd, plan_task])
def test_only_systemd_holds_a_socket(plan: object) -> None:
    with pytest.raises(ServiceError, match="--socket is for systemd"):
        plan(served(with_socket=True))  # type: ignore[operator]


@pytest.mark.parametrize(("platform", "quote"), [("linux", "'"), ("win32", '"')])
def test_a_command_is_shown_as_the_systems_shell_takes_it(
    monkeypatch: pytest.MonkeyPatch, platform: str, quote: str
) -> None:
    command = Command(("schtasks", "/XML", "C:\\a b\\x.xml"))

    monkeypatch.setattr("sys.platform", platform)

    assert command.line == f"schtasks /XML {quote}C:\\a b\\x.xml{quote}"


@NEEDS_LINUX
def test_a_dry_run_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    result = run("service", "install", "--dry-run", "--name", "mine")

    assert result.exit_code == 0, result.output
    assert f"{tmp_path}/systemd/user/mine.service" in result.stdout
    assert "# run: systemctl --user start mine.service" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        (("install", "--config", "nowhere.toml"), "'nowhere.toml'"),
        (("install", "--name", "../x"), "'../x'"),
        (("uninstall", "--name", "never-installed"), "there is no such service"),
    ],
)
def test_what_cannot_be_is_refused(words: tuple[str, ...], needle: str) -> None:
    result = run("service", *words)

    assert result.exit_code in (1, 2)
    assert needle in last_error(result)


class TestApplying:
    """With Python itself in the place of the system's command."""

    def plan(self, folder: Path, *, fails: bool = False) -> ServicePlan:
        made = plan_launchd(served()).files[0]
        file = type(made)(folder / "deep" / "x.plist", made.text)
        log = f"open({str(folder / 'log')!r}, 'a').write"
        end = command(sys.executable, "-c", "import sys; sys.exit('no such thing')", may_fail=not fails)
        started, stopped = (command(sys.executable, "-c", f"{log}({word!r})") for word in ("start ", "stop "))
        return ServicePlan((file,), (end, started), (stopped,), (), command(sys.executable, "-c", "print('well')"))

    def test_it_is_installed_asked_and_removed(self, tmp_path: Path) -> None:
        plan = self.plan(tmp_path)

        applying.install(plan)
        there = plan.files[0].path.exists()
        applying.uninstall(plan)

        assert there
        assert not plan.files[0].path.exists()
        assert (tmp_path / "log").read_text() == "start stop "
        assert applying.status(plan) == (0, "well")

    def test_what_the_system_says_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ServiceError, match="failed with status 1: no such thing"):
            applying.install(self.plan(tmp_path, fails=True))

    def test_a_system_without_the_command_is_told_and_nothing_is_written(self, tmp_path: Path) -> None:
        plan = self.plan(tmp_path)
        without = ServicePlan(plan.files, plan.start, plan.stop, (), command("no-such-systemctl"))

        with pytest.raises(ServiceError, match="there is no 'no-such-systemctl' here"):
            applying.install(without)
        assert not plan.files[0].path.exists()
