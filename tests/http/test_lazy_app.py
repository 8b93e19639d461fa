"""``hypercorn jan_ort:app``: accepted without being built, built when it is started, and honest if it cannot be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypercorn.utils import is_asgi, load_application
from quart import Quart

import jan_ort
from jan_ort.http.lazy_app import LazyApp, Message

HEAVY = ("quart", "hypercorn", "pydantic", "jinja2", "tokenizers", "numpy", "llguidance", "jan_ort_openapi", "click")


@pytest.mark.parametrize("code", ["import jan_ort", "from jan_ort import app, create_app, __version__"])
def test_importing_the_package_builds_nothing(code: str) -> None:
    told = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=True)

    assert result.stdout.split() == []


@pytest.mark.parametrize("name", ["jan_ort:app", "jan_ort", "jan_ort:create_app()"])
def test_hypercorn_accepts_it_by_name(name: str) -> None:
    wrapped = load_application(name, 0)

    assert type(wrapped).__name__ == "ASGIWrapper"


def test_being_looked_at_does_not_build_it() -> None:
    app = LazyApp(never)

    assert is_asgi(app)
    assert not hasattr(app, "__wrapped__")
    assert not hasattr(app, "_is_coroutine_mark")


def test_what_the_built_app_has_it_has() -> None:
    assert isinstance(jan_ort.app.extensions, dict)
    assert isinstance(jan_ort.create_app(), Quart)
    with pytest.raises(AttributeError, match="no_such_name"):
        jan_ort.app.no_such_name  # noqa: B018


async def test_it_is_built_once_and_answers_as_the_built_one_does() -> None:
    built: list[Quart] = []

    def build() -> Quart:
        built.append(Quart("toy"))
        return built[-1]

    app = LazyApp(build)
    first, second = [await lifespan(app) for _ in range(2)]

    assert first == second == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert len(built) == 1


async def test_one_that_cannot_be_built_refuses_to_start_and_names_the_reason() -> None:
    sent: list[str] = []

    with pytest.raises(ModuleNotFoundError):
        await lifespan(LazyApp(lambda: fail(ModuleNotFoundError("No module named 'quart'"))), sent.append)

    assert sent == [
        "lifespan.startup.failed the app cannot be built: ModuleNotFoundError(\"No module named 'quart'\")",
    ]


def never() -> Quart:
    raise AssertionError("built")


def fail(error: Exception) -> Quart:
    raise error


async def lifespan(app: Any, note: Callable[[str], None] | None = None) -> list[str]:
    """Start and stop the app, and return the messages that it sent."""
    told: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> Message:
        return told.pop(0)

    async def send(message: Message) -> None:
        text = f"{message['type']} {message.get('message', '')}".strip()
        sent.append(text)
        if note is not None:
            note(text)

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    return sent
