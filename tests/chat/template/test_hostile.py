"""Whatever a template asks with, it ends soon and in little memory, with a text or with a template error."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jan_ort.chat.template.template import MAX_CPU_S, MAX_SOURCE_LENGTH, ChatTemplate, ChatTemplateError
from tests.chat.template.hostile.compiling import PARSED
from tests.chat.template.hostile.conversations import BIG, MANY_MESSAGES, WITH_BIG, WITH_MANY
from tests.chat.template.hostile.methods import METHODS
from tests.chat.template.hostile.objects import OBJECTS
from tests.chat.template.hostile.texts import TEXTS

HELLO = [{"role": "user", "content": "Hello"}]
CASES = {
    **{name: (source, HELLO) for name, source in (TEXTS | OBJECTS | METHODS).items()},
    **{name: (source, BIG) for name, source in WITH_BIG.items()},
    **{name: (source, MANY_MESSAGES) for name, source in WITH_MANY.items()},
}
KEEPS = [name for name in CASES if name in WITH_BIG or "kept" in name]
ROOT = Path(__file__).parents[3]
MAX_BYTES = 200 * 2**20


def render(source: str, messages: list[dict[str, Any]]) -> None:
    with suppress(ChatTemplateError):
        ChatTemplate(source).render(messages)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_ends_soon(name: str) -> None:
    source, messages = CASES[name]
    started = time.thread_time()

    render(source, messages)

    assert time.thread_time() - started < 2 * MAX_CPU_S


@pytest.mark.slow
@pytest.mark.parametrize("name", KEEPS)
def test_it_keeps_little(name: str) -> None:
    source, messages = CASES[name]
    tracemalloc.start()

    render(source, messages)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MAX_BYTES


@pytest.mark.parametrize("name", PARSED)
def test_it_compiles_soon_or_not_at_all(name: str) -> None:
    source = PARSED[name][:MAX_SOURCE_LENGTH]  # a longer one is refused at once
    started = time.thread_time()

    render(source, HELLO)

    assert time.thread_time() - started < 2 * MAX_CPU_S


@pytest.mark.parametrize("source", ["{{ strftime_now.args[0]() }}", "{{ strftime_now.func('%Y') }}"])
def test_the_time_is_given_by_one_function_alone(source: str) -> None:
    with pytest.raises(ChatTemplateError, match="fails on this conversation"):
        ChatTemplate(source).render(HELLO)


@pytest.mark.parametrize(
    "source", ["{{ raise_exception.__doc__.x }}", "{{ range(3).start.x }}", "{{ joiner().sep.x }}"]
)
def test_objects_that_no_template_looks_into_show_nothing(source: str) -> None:
    with pytest.raises(ChatTemplateError, match="unsafe"):
        ChatTemplate(source).render(HELLO)


def test_a_template_may_look_into_the_loop_and_macros() -> None:
    source = "{% macro m(a) %}{% endmacro %}{% for x in [1] %}{{ loop.index }}{{ m.name }}{% endfor %}"

    assert ChatTemplate(source).render(HELLO) == "1m"


def test_a_filter_that_is_lazy_is_a_generator_still() -> None:
    assert ChatTemplate("{{ 'yes' if [] | select('defined') else 'no' }}").render(HELLO) == "yes"


def test_the_error_alone_does_not_import_jinja2() -> None:
    # Without what the package itself imports.
    bare = "import sys, types; sys.modules['jan_ort'] = types.ModuleType('jan_ort'); "
    path = f"sys.modules['jan_ort'].__path__ = [{str(ROOT / 'jan_ort')!r}]; "
    code = "from jan_ort.chat.template import ChatTemplateError; sys.exit('jinja2' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", bare + path + code], check=False).returncode == 0
