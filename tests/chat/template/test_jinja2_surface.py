"""What the meter of chat templates rests on in jinja2: what is new there is measured before it is here."""

# ruff: noqa: SIM905

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import nodes
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.environment import Environment
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS

_REWRITTEN = {"Block", "CallBlock", "Compare", "Concat", "For", "Getitem", "Macro", "Pair"}
_INTERCEPTED = {"Add", "Call", "FloorDiv", "Mod", "Mul", "Pow", "Sub"}
_COSTS_LITTLE = frozenset(
    "And Assign AssignBlock BinExpr Break Const Continue Dict Div Expr ExprStmt Extends Filter FilterBlock "
    "FromImport Getattr Helper If Import Include Keyword List Literal Name Neg Not NSRef Operand Or Output Pos "
    "Scope Slice Stmt Template TemplateData Test Tuple UnaryExpr With CondExpr ScopedEvalContextModifier "
    "EvalContextModifier _FilterTestCommon".split()
)
_OF_EXTENSIONS = frozenset(
    "ContextReference DerivedContextReference EnvironmentAttribute ExtensionAttribute ImportedName InternalName "
    "MarkSafe MarkSafeIfAutoescape OverlayScope".split()
)
_FILTERS = frozenset(
    "abs attr batch capitalize center count d default dictsort e escape filesizeformat first float forceescape "
    "format groupby indent int items join last length list lower map max min pprint random reject rejectattr "
    "replace reverse round safe select selectattr slice sort string striptags sum title tojson trim truncate "
    "unique upper urlencode urlize wordcount wordwrap xmlattr".split()
)
_TESTS = frozenset(
    "!= < <= == > >= boolean callable defined divisibleby eq equalto escaped even false filter float ge "
    "greaterthan gt in integer iterable le lessthan lower lt mapping ne none number odd sameas sequence string "
    "test true undefined upper".split()
)


def _kinds(node: type[nodes.Node]) -> Iterator[str]:
    for kind in node.__subclasses__():
        if kind.__module__ == nodes.__name__:
            yield kind.__name__
        yield from _kinds(kind)


def test_every_kind_of_node_is_known() -> None:
    assert set(_kinds(nodes.Node)) == _REWRITTEN | _INTERCEPTED | _COSTS_LITTLE | _OF_EXTENSIONS


def test_every_filter_test_and_global_is_known() -> None:
    assert set(FILTERS) == _FILTERS
    assert set(TESTS) == _TESTS
    assert set(DEFAULT_NAMESPACE) == {"cycler", "dict", "joiner", "lipsum", "namespace", "range"}


def test_the_hooks_are_there() -> None:
    """``concat`` and ``wrap_str_format`` alone are not in jinja2's documentation."""
    assert callable(Environment.concat)
    assert callable(ImmutableSandboxedEnvironment.wrap_str_format)
    assert ImmutableSandboxedEnvironment.intercepted_binops == frozenset()
