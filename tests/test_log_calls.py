"""Nothing gets past the one place that shows text safely: how loggers are called, and who writes to a terminal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("jan_ort", "backends/jan_ort_backends", "backends/jan_ort_onnxruntime", "backends/jan_ort_llama_cpp/src")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}

OF_A_REQUEST = {"path", "param", "user", "headers", "query_string", "prompt", "messages", "model_extra"}

SETS_UP_LOGGING = {"jan_ort/ground/shown_text.py"}
WRITES = {
    "jan_ort/cli/saying.py": "it is the place",
    "jan_ort/cli/terminal_chat/answer_view.py": "a model's text, piece by piece, without its control characters",
    "jan_ort/ground/progress.py": "bars, whose stages are shown safely",
    "jan_ort/models/sources/fetch_hub.py": "JSON for the process that began this one",
}
"""Files that write to a stream themselves, each with its reason."""


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def log_calls(path: Path) -> Iterator[ast.Call]:
    for call in calls(path):
        if isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS:
            owner = ast.unparse(call.func.value)
            if owner.endswith(("logger", "_rarely")):
                yield call


def test_there_are_log_calls_to_look_at() -> None:
    assert sum(1 for path in FILES for _ in log_calls(path)) > 60


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_text_becomes_a_format(path: Path) -> None:
    for call in log_calls(path):
        if path.name == "rare_log.py":
            continue  # adds a number to the literal that it is given
        message = call.args[call.func.attr == "log"]  # type: ignore[attr-defined]
        assert isinstance(message, ast.Constant), f"{named(path)}:{call.lineno} logs a text as a format"


def unquoted(expression: ast.AST) -> Iterator[str]:
    """Yield what an argument takes from a request without ``quoted`` or ``len`` around it."""
    if isinstance(expression, ast.Call) and ast.unparse(expression.func) in ("quoted", "len"):
        return
    if isinstance(expression, ast.IfExp):
        yield from unquoted(expression.body)
        yield from unquoted(expression.orelse)
        return
    if isinstance(expression, ast.Attribute) and expression.attr in OF_A_REQUEST:
        yield ast.unparse(expression)
    for child in ast.iter_child_nodes(expression):
        yield from unquoted(child)


@pytest.mark.parametrize("path", [path for path in FILES if named(path).startswith("jan_ort/http")], ids=named)
def test_texts_of_clients_are_quoted(path: Path) -> None:
    found = [text for call in log_calls(path) for argument in call.args[1:] for text in unquoted(argument)]

    assert found == [], "else they pass for the rest of the line"


def test_the_scan_finds_what_is_not_quoted() -> None:
    call = ast.parse("f(f', user {self.plan.user!r}' if self.plan.user else '', quoted(request.path))").body[0]

    assert list(unquoted(call)) == ["self.plan.user"]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_nobody_else_sets_up_logging(path: Path) -> None:
    used = {ast.unparse(call.func).rpartition(".")[2] for call in calls(path)}
    forbidden = {"basicConfig", "StreamHandler", "FileHandler", "setFormatter", "Formatter", "setLogRecordFactory"}

    assert not used & forbidden or named(path) in SETS_UP_LOGGING


@pytest.mark.parametrize("path", FILES, ids=named)
def test_nobody_else_writes_to_a_terminal(path: Path) -> None:
    used = {ast.unparse(call.func) for call in calls(path)}
    forbidden = {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write", "Console"}

    assert not used & forbidden or named(path) in WRITES, "say() of jan_ort/cli/saying.py writes"
