"""A plugin that fails while it is loaded, in whatever way, is listed with reason and remedy, and harms no other."""

from __future__ import annotations

import sys
import time
from functools import partial

import pytest

from jan_ort.plugins.asking import within
from jan_ort_backends import discover
from tests.backends.plugins import Plugins, backend_source


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('driver too old')", "RuntimeError: driver too old"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import no_such_runtime", "No module named 'no_such_runtime'"),
        ("def", "SyntaxError"),
        ("class backend:\n    def __init__(self):\n        raise OSError('no device')", "OSError: no device"),
        ("def f():\n    f()\nf()", "RecursionError"),
    ],
)
def test_what_an_import_raises_is_listed_with_its_traceback(plugins: Plugins, source: str, reason: str) -> None:
    plugins.install("broken", source)
    plugins.install_backend("sound")

    row = plugins.find("broken", importing=within)

    assert row.backend is None
    assert reason in (row.error or "")
    assert "Traceback" in (row.traceback or "")
    assert "jan-ort-broken" in (row.remedy or "")
    assert plugins.find("sound", importing=within).backend is not None


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("backend = object()", "it lacks name, abi"),
        ("import json as backend", "it lacks name, abi"),
        ("backend = None", "it lacks name, abi"),
        ("from jan_ort_backends import Backend\nclass backend(Backend):\n    pass", "it lacks name, abi, capabilities"),
        ("import jan_ort_backends.reference as r\nclass backend(r.ReferenceBackend):\n    name = 'x'", "'x'"),
    ],
)
def test_what_is_no_backend_is_refused_with_a_remedy(plugins: Plugins, source: str, reason: str) -> None:
    plugins.install("odd", source)

    row = plugins.find("odd")

    assert row.backend is None
    assert reason in (row.error or "")
    assert row.remedy


@pytest.mark.parametrize("field", ["name", "abi", "capabilities", "builtin_models", "probe", "accepts", "open"])
def test_a_field_that_cannot_be_read_is_found_out_at_once(plugins: Plugins, field: str) -> None:
    plugins.install_backend("odd", backend=f"{field} = property(lambda self: 1 / 0)")

    row = plugins.find("odd")

    assert row.backend is None
    assert "Traceback" in (row.traceback or "")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "capabilities = 'generate'",
            "its capabilities is 'generate', which is not a frozenset of these: generate, fork",
        ),
        ("capabilities = (flag for flag in ['generate'])", "<generator object"),
        ("capabilities = frozenset({'genrate'})", "did you mean 'generate'?"),
        ("abi = '2.0'", "version 2.0"),
        ("abi = '10.0'", "version 10.0"),
        ("abi = None", "its abi is None, which is not a text of the form MAJOR.MINOR"),
        ("abi = 1", "its abi is 1, which"),
        ("abi = 1.0", "its abi is 1.0, which"),
        ("abi = '1'", "its abi is '1', which"),
        ("abi = '1.banana'", "its abi is '1.banana', which"),
        ("abi = '1.0.0'", "its abi is '1.0.0', which"),
        ("abi = '1.\\u0664'", "its abi is '1.\u0664', which"),
        ("abi = ''", "its abi is '', which"),
        ("abi = type('A', (), {'__str__': lambda self: '1.0'})()", "which is not a text of the form MAJOR.MINOR"),
        ("capabilities = [3]", "an unknown capability '3'"),
        ("probe = None", "its probe is None, which is not a method"),
        ("accepts = 'yes'", "its accepts is 'yes', which is not a method"),
        ("open = None", "its open is None, which is not a method"),
        ("builtin_models = 3", "its builtin_models is 3, which is not a mapping of names"),
        ("builtin_models = ()", "its builtin_models is (), which is not a mapping of names"),
        ("builtin_models = [('mine', Path('folder'))]", "'folder'))], which is not a mapping of names"),
        ("name = None", "its name is None, which is not a text"),
        ("builtin_models = {3: Path()}", "builtin_models is {3: "),
        (
            "builtin_models = {'mine': 'folder'}",
            "builtin_models is {'mine': 'folder'}, which is not a mapping of names",
        ),
    ],
)
def test_a_descriptor_with_a_field_of_another_kind_is_refused_with_a_remedy(
    plugins: Plugins, body: str, reason: str
) -> None:
    plugins.install("odd", f"from pathlib import Path\n{backend_source('odd', backend=body)}")

    row = plugins.find("odd")

    assert row.backend is None
    assert reason in (row.error or "")
    assert row.remedy
    assert row.traceback is None


@pytest.mark.parametrize("body", ["capabilities = frozenset({'generate', 'embed'})", "abi = '1.99'"])
def test_capabilities_may_be_texts_and_a_minor_version_any(plugins: Plugins, body: str) -> None:
    plugins.install_backend("plain", backend=body)

    assert plugins.find("plain").error is None


def test_an_import_that_hangs_is_given_up(plugins: Plugins) -> None:
    plugins.install("stuck", "import time\ntime.sleep(5)\nbackend = None")
    started = time.monotonic()

    row = plugins.find("stuck", importing=partial(within, limit_s=0.2))

    assert time.monotonic() - started < 4
    assert row.backend is None
    assert row.error == "jan_ort_stuck:backend failed to import: it has not returned after 0.2 s"


def test_two_that_clash_are_both_refused_and_name_each_other(plugins: Plugins) -> None:
    for distribution in ("first-plugin", "second-plugin"):
        plugins.install("twin", "raise AssertionError('is not imported')", distribution=distribution)

    rows = [row for row in discover() if row.name == "twin"]

    assert [row.backend for row in rows] == [None, None]
    assert all("first-plugin, second-plugin" in (row.error or "") for row in rows)
    assert all(row.traceback is None for row in rows)


def test_the_remedy_for_a_clash_with_the_default_backend_spares_jan_ort(plugins: Plugins) -> None:
    plugins.install_backend("onnxruntime", distribution="first-plugin")
    plugins.install_backend("reference", distribution="second-plugin")

    remedies = {row.name: row.remedy for row in discover() if row.distribution == "jan-ort"}

    assert remedies == {"onnxruntime": "uninstall first-plugin", "reference": "uninstall second-plugin"}


@pytest.mark.parametrize("lists", [{"deny": ["broken"]}, {"allow": ["reference"]}])
def test_an_excluded_plugin_is_never_imported(plugins: Plugins, lists: dict[str, list[str]]) -> None:
    plugins.install("broken", "raise AssertionError('is not imported')")

    (row,) = [row for row in discover(**lists) if row.name == "broken"]  # type: ignore[arg-type]

    assert row.traceback is None
    assert "list" in (row.error or "")
    assert "jan_ort_broken" not in sys.modules
