"""Which backend opens a folder, and what is said when none does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jan_ort.plugins.choice import NoBackendError, check_backend, choose_backend
from jan_ort_backends import (
    ABI,
    Accepts,
    Available,
    Capability,
    Declines,
    Discovered,
    Missing,
    OpenOptions,
    Session,
)

FOLDER = Path("model")


@dataclass
class Plugin:
    name: str
    answer: Accepts | Declines = field(default_factory=Accepts)
    probed: Available | Missing = field(default_factory=Available)
    builtin_models: Mapping[str, Path] = field(default_factory=dict)
    abi: str = ABI
    capabilities: frozenset[Capability] = frozenset()

    def probe(self) -> Available | Missing:
        return self.probed

    def accepts(self, model_dir: Path) -> Accepts | Declines:
        return self.answer

    def open(self, model_dir: Path, options: OpenOptions) -> Session:
        raise AssertionError("nothing is opened here")


def found(plugin: Plugin) -> Discovered:
    return Discovered(plugin.name, "dist", "1.0", "package:backend", backend=plugin)


def broken(name: str, error: str, remedy: str) -> Discovered:
    return Discovered(name, "dist", "1.0", "package:backend", error=error, remedy=remedy)


def test_the_first_that_accepts_is_chosen() -> None:
    first, second, third = Plugin("a", Declines("no")), Plugin("b"), Plugin("c")

    assert choose_backend(None, FOLDER, [found(first), found(second), found(third)]) is second


def test_the_one_asked_for_wins() -> None:
    first, second = Plugin("a"), Plugin("b")

    assert choose_backend("b", FOLDER, [found(first), found(second)]) is second


def test_one_that_cannot_run_here_is_passed_over() -> None:
    first, second = Plugin("a", probed=Missing("no GPU", "buy one")), Plugin("b")

    assert choose_backend(None, FOLDER, [found(first), found(second)]) is second


def test_if_all_decline_each_ones_own_reason_is_given() -> None:
    plugins = [Plugin("a", Declines("no weights")), Plugin("b", probed=Missing("no GPU", "buy one"))]

    with pytest.raises(NoBackendError) as error:
        choose_backend(None, FOLDER, [found(plugin) for plugin in plugins])

    assert str(error.value) == "no backend can open model: a: no weights; b: no GPU (buy one)"


def test_asked_for_by_name_only_its_reason_is_given() -> None:
    with pytest.raises(NoBackendError) as error:
        choose_backend("a", FOLDER, [found(Plugin("a", Declines("no weights"))), found(Plugin("b"))])

    assert str(error.value) == "no backend can open model: a: no weights"


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(NoBackendError) as error:
        check_backend("onxruntime", [found(Plugin("onnxruntime")), found(Plugin("reference"))])

    assert "did you mean 'onnxruntime'?" in str(error.value)
    assert "(installed: onnxruntime, reference)" in str(error.value)


def test_a_broken_plugin_asked_for_says_what_is_wrong_with_it() -> None:
    plugin = broken("a", "ImportError: no module named x", "pip install x")

    with pytest.raises(NoBackendError) as error:
        check_backend("a", [plugin])

    assert str(error.value) == "backend 'a' cannot be used: ImportError: no module named x; pip install x"


def test_a_broken_plugin_is_passed_over_and_named_if_nothing_else_serves() -> None:
    first, second = broken("a", "ImportError: x", "y"), Plugin("b")

    assert choose_backend(None, FOLDER, [first, found(second)]) is second
    with pytest.raises(NoBackendError, match="a: ImportError: x"):
        choose_backend(None, FOLDER, [first])
