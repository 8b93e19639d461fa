"""The pages of reference: commands, settings, operations and the backend interface, each from what it describes.

python scripts/reference.py FOLDER     write them
python scripts/reference.py --check    name what has no description
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from pydantic_core import PydanticUndefined

import jan_ort_backends
from jan_ort.cli.program import main
from jan_ort.settings.schema import Settings
from jan_ort_openapi import load_spec

ROLE = re.compile(r":\w+:`~?([^`]+)`")
METHODS = ("get", "post", "put", "delete")


def commands(command: click.Command = main, path: str = "jan-ort") -> Iterator[str]:
    """Yield the help of each command as it is shown."""
    context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
    yield from (f"## {path}", "", "```text", command.get_help(context), "```", "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name) or command, f"{path} {name}")


def settings() -> Iterator[str]:
    """Yield a table of the settings."""
    yield from ("| flag | variable | default | |", "|---|---|---|---|")
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, (), PydanticUndefined) else f"`{field.default}`"
        yield f"| `--{name.replace('_', '-')}` | `JAN_ORT_{name.upper()}` | {default} | {_cell(field.description)} |"


def operations() -> Iterator[str]:
    """Yield each operation with the fields of its body; *ours* are those that the overlay adds to the document."""
    whole, bundled = load_spec(), _bundled()
    for path, item in whole["paths"].items():
        for method, operation in ((each, item[each]) for each in METHODS if each in item):
            yield from (f"## {method.upper()} {path}", "", _cell(operation.get("summary")) + ".", "")
            if fields := _fields(whole, operation):
                known = _fields(bundled, bundled["paths"].get(path, {}).get(method, {}))
                yield from ("| field | default | |", "|---|---|---|")
                yield from (_field(name, schema, name in known) for name, schema in fields.items())
                yield ""


def interface() -> Iterator[str]:
    """Yield each public name of the backend interface with its docstring, its fields and its methods."""
    yield from ("What `jan_ort_backends` offers to [authors of plugins](../backends.md).", "")
    for name in jan_ort_backends.__all__:
        public = getattr(jan_ort_backends, name)
        yield from (f"## {name}", "", _prose(_doc(name, public)), "")
        for member, text in members(public).items() if inspect.isclass(public) else ():
            yield from (f"**`{member}`**", "", _prose(text), "")


PAGES: Mapping[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "commands": ("Commands", commands),
    "settings": ("Settings", settings),
    "operations": ("Operations", operations),
    "backend-interface": ("The backend interface", interface),
}
"""By the file's name: title and lines."""


def page(name: str) -> str:
    """Return a page's markdown."""
    title, lines = PAGES[name]
    return "\n".join((f"# {title}", "", *lines())) + "\n"


def undescribed() -> list[str]:
    """Return what a reader would find without a word."""
    given = {f"setting {name}": field.description for name, field in Settings.model_fields.items()}
    given |= {f"command {path}": command.help for path, command in _each_command(main, "jan-ort")}
    for path, item in load_spec()["paths"].items():
        given |= {f"{each} {path}": item[each].get("summary") for each in METHODS if each in item}
    for name in jan_ort_backends.__all__:
        public = getattr(jan_ort_backends, name)
        given |= {name: _doc(name, public)}
        given |= {f"{name}.{each}": text for each, text in members(public).items()} if inspect.isclass(public) else {}
    return sorted(what for what, text in given.items() if not (text or "").strip())


def members(public: type) -> dict[str, str]:
    """Return what is said of each public method of a class, by its signature, and of each documented value."""
    found = {name: text for name, text in _value_texts(public).items() if not name.startswith("_")}
    for name, method in vars(public).items():
        if inspect.isfunction(method) and not name.startswith("_") and inspect.getmodule(method) is _module(public):
            signature = str(inspect.signature(method)).replace("(self, ", "(").replace("(self)", "()").replace("'", "")
            found[f"{name}{signature}"] = inspect.getdoc(getattr(public, name)) or ""
    return found


def _each_command(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from _each_command(command.get_command(click.Context(command), name) or command, f"{path} {name}")


def _module(public: object) -> Any:
    return inspect.getmodule(public)


def _doc(name: str, public: object) -> str:
    """Return what is said of a name: a docstring, or of a constant the text behind it."""
    if inspect.isclass(public) or inspect.isfunction(public):
        return inspect.getdoc(public) or ""
    tree = ast.parse(inspect.getsource(jan_ort_backends))
    (place,) = (each.module for each in tree.body if isinstance(each, ast.ImportFrom) and _imports(each, name))
    return _texts_behind(ast.parse(inspect.getsource(importlib.import_module(str(place)))).body).get(name, "")


def _imports(statement: ast.ImportFrom, name: str) -> bool:
    return any(alias.name == name for alias in statement.names)


def _value_texts(public: type) -> dict[str, str]:
    (body,) = ast.parse(inspect.getsource(public)).body
    assert isinstance(body, ast.ClassDef)
    return _texts_behind(body.body)


def _texts_behind(body: list[ast.stmt]) -> dict[str, str]:
    """Return the texts that stand behind assignments, by the name that is assigned."""
    found = {}
    for value, text in pairwise(body):
        target = value.targets[0] if isinstance(value, ast.Assign) else getattr(value, "target", None)
        if isinstance(target, ast.Name) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[target.id] = inspect.cleandoc(str(text.value.value))
    return found


def _prose(text: str) -> str:
    return ROLE.sub(r"`\1`", text).replace("``", "`")


def _cell(text: str | None) -> str:
    """Return the first paragraph of a text on one line of a table, where no tag and no bar is one."""
    first = " ".join((text or "").split("\n\n")[0].split()).rstrip(".")
    return first.replace("|", "\\|").replace("<", "&lt;")


def _bundled() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        (Path(__file__).parents[1] / "openapi/jan_ort_openapi/openapi.json").read_bytes()
    )
    return document


def _fields(document: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an operation's JSON body, none if it has none or another form."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    fields: dict[str, Any] = schema.get("properties", {})
    return fields


def _field(name: str, schema: Mapping[str, Any], is_known: bool) -> str:
    default = f"`{json.dumps(schema['default'])}`" if schema.get("default") is not None else ""
    return f"| `{name}`{'' if is_known else ' *ours*'} | {default} | {_cell(schema.get('description'))} |"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        missing = undescribed()
        print("\n".join(f"{each} has no description" for each in missing), file=sys.stderr)
        sys.exit(bool(missing))
    (target,) = map(Path, sys.argv[1:])
    target.mkdir(parents=True, exist_ok=True)
    for each in PAGES:
        (target / f"{each}.md").write_text(page(each), encoding="utf-8")
