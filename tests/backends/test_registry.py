"""The registry: a broken, excluded or incompatible plugin is listed with its reason, and harms nothing else."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jan_ort_backends import BackendError, Discovered, discover, register, unregister
from jan_ort_backends.reference import ReferenceBackend

WORKING = (
    "from jan_ort_backends.reference import ReferenceBackend\nclass backend(ReferenceBackend):\n    name = {name!r}\n"
)


class Plugins:
    """Writes importable distributions with an entry point into a directory that is on ``sys.path``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules: list[str] = []

    def add(self, name: str, source: str, *, distribution: str | None = None) -> str:
        distribution = distribution or f"jan-ort-{name}"
        module = distribution.replace("-", "_")
        (self.root / f"{module}.py").write_text(source)
        metadata = self.root / f"{module}-1.2.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(f"[jan_ort.backends]\n{name} = {module}:backend\n")
        self.modules.append(module)
        return module


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugins]:
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = Plugins(tmp_path)
    yield plugins
    for module in plugins.modules:
        sys.modules.pop(module, None)


def found(name: str, **options: object) -> Discovered:
    (row,) = [row for row in discover(**options) if row.name == name]  # type: ignore[arg-type]
    return row


def test_a_working_plugin_is_loaded_with_its_origin(plugins: Plugins) -> None:
    module = plugins.add("good", WORKING.format(name="good"))

    row = found("good")

    assert row.backend is not None
    assert (row.distribution, row.version, row.value) == ("jan-ort-good", "1.2", f"{module}:backend")
    assert (row.error, row.traceback, row.remedy) == (None, None, None)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("other = 1", "AttributeError: "),
    ],
)
def test_a_plugin_that_raises_at_import_is_listed_and_the_next_one_works(
    plugins: Plugins, source: str, error: str
) -> None:
    plugins.add("broken", source)
    plugins.add("good", WORKING.format(name="good"))

    row = found("broken")

    assert row.backend is None
    assert error in (row.error or "")
    assert "\n" not in (row.error or "")
    assert "Traceback" in (row.traceback or "")
    assert found("good").backend is not None


def test_keyboard_interrupt_at_import_is_passed_on(plugins: Plugins) -> None:
    plugins.add("stuck", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        discover()


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("backend = object()", "it lacks name, abi, capabilities"),
        (WORKING.format(name="odd") + "    abi = '2.0'\n", "version 2.0 of the backend interface"),
        (WORKING.format(name="odd") + "    capabilities = frozenset({'genrate'})\n", "did you mean 'generate'?"),
        (WORKING.format(name="other"), "the entry point is named 'odd' and the backend 'other'"),
    ],
)
def test_what_is_no_usable_backend_is_listed_with_a_remedy(plugins: Plugins, source: str, error: str) -> None:
    plugins.add("odd", source)

    row = found("odd")

    assert row.backend is None
    assert error in (row.error or "")
    assert row.remedy
    assert row.traceback is None


def test_two_distributions_with_one_name_are_both_refused(plugins: Plugins) -> None:
    modules = [plugins.add("twin", WORKING.format(name="twin"), distribution=f"jan-ort-{which}") for which in "ab"]

    rows = [row for row in discover() if row.name == "twin"]

    assert [row.backend for row in rows] == [None, None]
    assert all("jan-ort-a, jan-ort-b" in (row.error or "") for row in rows)
    assert not set(modules) & set(sys.modules)


def test_deny_is_applied_before_the_plugin_is_imported(plugins: Plugins) -> None:
    module = plugins.add("denied", WORKING.format(name="denied"))

    row = found("denied", deny=["denied"])

    assert (row.backend, row.error) == (None, "excluded by the deny list")
    assert module not in sys.modules


def test_only_what_is_allowed_is_imported(plugins: Plugins) -> None:
    module = plugins.add("other", WORKING.format(name="other"))
    plugins.add("good", WORKING.format(name="good"))

    rows = {row.name: row for row in discover(allow=["good"])}

    assert rows["good"].backend is not None
    assert rows["other"].error == "not in the allow list"
    assert module not in sys.modules


def test_an_allowed_name_that_is_not_installed_gets_a_suggestion(plugins: Plugins) -> None:
    plugins.add("good", WORKING.format(name="good"))

    row = found("goood", allow=["goood"])

    assert row.error == "no backend named 'goood' is installed; did you mean 'good'?"


def test_a_registered_backend_shadows_the_entry_point_until_it_is_unregistered(plugins: Plugins) -> None:
    plugins.add("good", WORKING.format(name="good"))
    own = ReferenceBackend()
    own.name = "good"

    register(own)
    shadowed = found("good")
    unregister("good")

    assert shadowed.backend is own
    assert found("good").distribution == "jan-ort-good"


def test_a_name_is_registered_once_and_unregistered_once() -> None:
    own = ReferenceBackend()
    own.name = "mine"
    register(own)

    with pytest.raises(BackendError, match="registered already"):
        register(own)
    unregister("mine")

    with pytest.raises(BackendError, match="no backend named 'mine'"):
        unregister("mine")
