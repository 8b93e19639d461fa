"""The memory there is: the machine's, or what the limit of a container leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from jan_ort.ground import available_memory
from jan_ort.ground.available_memory import available_bytes, used_bytes

GIB = 2**30


def write(place: Path, **files: object) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / name.replace("__", ".")).write_text(f"{content}\n")


def own(folder: Path, line: str) -> Path:
    path = folder / "own"
    path.write_text(f"{line}\n")
    return path


def test_without_a_limit_it_is_the_machines(tmp_path: Path) -> None:
    write(tmp_path / "cgroups", memory__max="max", memory__current=GIB)

    assert available_bytes(tmp_path / "cgroups", own(tmp_path, "0::/")) == pytest.approx(
        psutil.virtual_memory().available, rel=0.2
    )


@pytest.mark.parametrize("path", ["/", "/docker/1234", "/pod/container"])
def test_the_limit_of_a_container_counts_less_what_it_holds_and_could_not_give_up(path: str, tmp_path: Path) -> None:
    cgroups = tmp_path / "cgroups"
    stat = f"anon 7\ninactive_file {2**20}"
    write(cgroups, memory__max=2**27, memory__current=2**26, memory__stat=stat)
    write(cgroups / "pod/container", memory__max=2**28, memory__current=1)

    assert available_bytes(cgroups, own(tmp_path, f"0::{path}")) == 2**27 - 2**26 + 2**20


def test_a_limit_of_the_first_version_counts_too(tmp_path: Path) -> None:
    cgroups = tmp_path / "cgroups"
    stat = f"cache 9\ntotal_inactive_file {2**20}"
    write(cgroups / "memory/a/b", memory__limit_in_bytes=2**27, memory__usage_in_bytes=2**26, memory__stat=stat)
    write(cgroups / "memory", memory__limit_in_bytes=2**63 - 4096, memory__usage_in_bytes=2**30)

    assert available_bytes(cgroups, own(tmp_path, "4:memory:/a/b")) == 2**26 + 2**20


def test_a_container_that_is_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    write(tmp_path / "cgroups", memory__max=2**20, memory__current=2**21)

    assert available_bytes(tmp_path / "cgroups", own(tmp_path, "0::/")) == 0


def test_a_machine_without_cgroups_has_what_it_says(tmp_path: Path) -> None:
    assert available_bytes(tmp_path / "none", tmp_path / "none") > 0


@pytest.mark.parametrize("elsewhere", [False, True])
def test_it_is_told_alike_with_and_without_proc(
    elsewhere: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if elsewhere:
        monkeypatch.setattr(available_memory, "_MACHINE", tmp_path / "none")
        monkeypatch.setattr(available_memory, "_SELF", tmp_path / "none")

    assert available_bytes(tmp_path, tmp_path / "none") == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    assert used_bytes() == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)


def test_processes_that_this_one_has_started_are_counted_where_they_are_asked_for() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "print(len(bytes(2**25) * 2), flush=True); input()"], stdin=-1, stdout=-1
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()

        alone, together = used_bytes(), used_bytes(with_children=True)
        child.communicate(b"\n")

    assert together > alone + 2**21
