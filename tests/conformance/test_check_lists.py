"""Each kit's list of its checks names every file that has some, and holds every check that was registered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pkgutil import iter_modules
from types import ModuleType

import pytest

from jan_ort_conformance.backend import checks as backend_checks
from jan_ort_conformance.backend.check_tools.backend_check import CHECKS as BACKEND_CHECKS
from jan_ort_conformance.http import checks as http_checks
from jan_ort_conformance.http.check_tools.http_check import CHECKS as HTTP_CHECKS


@pytest.mark.parametrize("room", [http_checks, backend_checks], ids=["http", "backend"])
def test_every_file_of_checks_is_in_the_list(room: ModuleType) -> None:
    listed: Sequence[ModuleType] = room.IN_ORDER

    assert sorted(module.__name__ for module in listed) == sorted(
        f"{room.__name__}.{each.name}" for each in iter_modules(room.__path__)
    )


@pytest.mark.parametrize(
    ("ids", "registered"),
    [
        ([each.id for each in http_checks.registered()], HTTP_CHECKS),
        ([each.id for each in backend_checks.select()], BACKEND_CHECKS),
    ],
    ids=["http", "backend"],
)
def test_every_registered_check_is_run_once(ids: list[str], registered: Collection[str]) -> None:
    assert sorted(ids) == sorted(registered)


def test_the_checks_run_in_the_order_of_the_list() -> None:
    modules = [each.run.__module__ for each in http_checks.registered()]

    assert list(dict.fromkeys(modules)) == [each.__name__ for each in http_checks.IN_ORDER]
