"""A chat template that asks for too much is refused, soon and in little memory, whatever it asks with."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import pytest

from jan_ort.chat.template.template import MAX_CPU_S, MAX_SOURCE_LENGTH, ChatTemplate, ChatTemplateError
from jan_ort.chat.template.work import BASE_WORK

HELLO = [{"role": "user", "content": "Hello"}]
MAX_BYTES = 200 * 2**20
REFUSED = r"exceeds its limits|recursion depth|empty separator"

LONG = "{% set s = 'a' * 1000000 %}"
MANY = "{% set l = [1] * 500000 %}"
ITSELF = "{% set ns = namespace() %}{% set ns.a = ns %}"
DOUBLING = "{% set ns = namespace(s='a', l=[1], n=10) %}{% for i in range(99) %}"
# Twenty-one levels that each hold the one below twice: two million items when they are read.
LISTS = (
    "{% set ns = namespace(a=[1], b=[1]) %}"
    "{% for i in range(21) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}"
)
TUPLES = "{% set ns = namespace(a=(1,)) %}{% for i in range(21) %}{% set ns.a = (ns.a, ns.a) %}{% endfor %}"
DICTS = "{% set ns = namespace(a={}) %}{% for i in range(21) %}{% set ns.a = {'a': ns.a, 'b': ns.a} %}{% endfor %}"

TURNS = [
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) if j < 0 %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(999) %}{{ loop.cycle('a', 'b') }}{% endfor %}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{{ loop([1]) }}{% endfor %}",
    LONG + "{% for i in range(99999) %}{{ 'b' in s }}{% endfor %}",
    MANY + "{% for i in range(99999) %}{{ 2 in l }}{% endfor %}",
    MANY + "{% for i in range(99999) %}{{ l | map('abs') | list | length }}{% endfor %}",
    LONG + "{{ s" + " | select('defined')" * 60 + " | list | length }}",
    "{% for i in range(99999) %}{{ range(99999) | sort(reverse=true) | first }}{% endfor %}",
    ITSELF + "{{ ([ns] * 1000) | map(attribute='a.' * 100000 + 'a') | list }}",
    ITSELF + "{{ ([ns] * 1000) | sort(attribute='a.' * 100000 + 'a') | list }}",
    "{% set l = [1.5] * 100000 + [1] %}{% set m = [1.5] * 100000 + [2] %}{{ m in [l] * 100000 }}",
    "{{ ('a' * 1000000).strip('b' * 1000000 + 'a') }}",
    "{{ ('a' * 1000000) | trim('b' * 1000000 + 'a') }}",
    "{{ ([[1] * 1000] * 5000) | sum(start=[]) | length }}",
    "{{ (('f' * 4000000) | int(0, 16)) // 3 }}",
    DOUBLING + "{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "{{ 7 ** (7 ** 9) }}",
    "{{ 2.5 | round(100000000, 'ceil') }}",
]

TEXTS = [
    DOUBLING + "{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    DOUBLING + "{% set ns.s = ns.s + ns.s %}{% endfor %}",
    DOUBLING + "{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}",
    LONG + "{% for i in range(99999) %}{{ s }}{% endfor %}",
    LONG + "{% macro m() %}{% for i in range(99999) %}{{ s }}{% endfor %}{% endmacro %}{{ m() | length }}",
    "{% for i in range(999) %}{% for j in range(999) %}" + "a" * 999 + "{% endfor %}{% endfor %}",
    "{{ 'a' * 10 ** 8 }}",
    "{{ 10 ** 8 * 'a' }}",
    "{{ 'a' | center(100000000) }}",
    "{{ 'a' | center(width=10 ** 8) }}",
    "{{ 'a'.center(10 ** 8) }}{{ 'a'.ljust(10 ** 8) }}",
    "{{ 'a'.rjust(10 ** 8) }}",
    "{{ '1'.zfill(10 ** 8) }}",
    "{{ '%100000000d' % 1 }}",
    "{{ '%.100000000f' % 1 }}",
    "{{ '%(a)100000000s' % {'a': 1} }}",
    "{{ '%*d' % (100000000, 1) }}",
    "{{ '%100000000d' | format(1) }}",
    "{{ '{:100000000}'.format(1) }}",
    "{{ '{a:{b}}'.format(a=1, b=100000000) }}",
    "{{ '{a:100000000}'.format_map({'a': 1}) }}",
    LONG + "{{ ('{0}' * 1000).format(s) }}",
    LONG + "{{ ('%s' * 1000) % ([s] * 1000) }}",
    LONG + "{{ s.replace('a', 'b' * 100) }}",
    LONG + "{{ s | replace('', 'b' * 100) }}",
    LONG + "{{ s | replace(old='a', new='b' * 100) }}",
    LONG + "{{ s.join(['b'] * 100) }}",
    LONG + "{{ (['b'] * 100) | join(s) }}",
    LONG + "{{ range(99) | map('string') | join(s) }}",
    LONG + "{{ s.join(range(99) | map('string')) }}",
    LONG + "{{ ('a\n' * 1000000) | indent(100) }}",
    "{{ 'a\nb' | indent(width=100000000) }}",
    LONG + "{{ ('a\n' * 100) | indent(s) }}",
    "{{ [1] | tojson(indent=100000000) }}",
    LONG + "{{ ([1] * 100) | tojson(separators=(s, ':')) }}",
    "{{ strftime_now('%1000000Y' * 1000) }}",
    "{% autoescape true %}{% set s = '<' * 3000000 %}{% for i in range(99) %}{{ s }}{% endfor %}{% endautoescape %}",
]

LISTS_AND_KEPT = [
    DOUBLING + "{% set ns.l = ns.l + ns.l %}{% endfor %}",
    "{{ ([1] * 10 ** 8) | length }}",
    "{{ [1] | batch(100000000, 'x') | list }}",
    "{{ [1] | slice(slices=100000000) | list }}",
    LONG + DOUBLING + "{% set ns.l = ns.l + [s[1:]] %}{% endfor %}",
    LONG + DOUBLING + "{% set ns.l = ns.l + [(s ~ ' a' * 99999).split()] %}{% endfor %}",
    LONG + DOUBLING + "{% set ns.l = ns.l + [s.split('')] %}{% endfor %}",
    LONG + DOUBLING + "{% set ns.l = ns.l + [s | list] %}{% endfor %}",
    "{% set ns = namespace(d={}) %}"
    "{% for i in range(9999) %}{% set ns.d = dict(ns.d, **{i | string: 1}) %}{% endfor %}",
]

NESTED = [
    LISTS + "{{ ns.a }}",
    LISTS + "{{ ns.a ~ '' }}",
    LISTS + "{{ ns.a | string | length }}",
    LISTS + "{{ ns.a | tojson }}",
    LISTS + "{{ [ns.a] | join }}",
    LISTS + "{{ ns.a | e }}",
    LISTS + "{{ '%s' % ns.a }}",
    LISTS + "{{ '{}'.format(ns.a) }}",
    LISTS + "{{ ns.a == ns.b }}",
    LISTS + "{{ ns.a == ns.b == ns.a }}",
    LISTS + "{{ ns.a in [ns.b] }}",
    LISTS + "{{ ns.a is in [ns.b] }}",
    LISTS + "{{ ns.a is eq ns.b }}",
    LISTS + "{{ [ns.a].index(ns.b) }}",
    LISTS + "{{ [ns.a, ns.b] | sort }}",
    LISTS + "{{ [{'a': ns.a}] | selectattr('a', 'equalto', ns.b) | list }}",
    LISTS + "{% for x in [ns.a, ns.b] %}{{ loop.changed(x) }}{% endfor %}",
    LISTS + "{{ raise_exception(ns.a) }}",
    TUPLES + "{{ {ns.a: 1} }}",
    TUPLES + "{{ {}[ns.a] }}",
    TUPLES + "{{ {}.get(ns.a) }}",
    TUPLES + "{{ [ns.a, 1] | unique | list }}",
    TUPLES + "{{ ns.a is filter }}",
    TUPLES + "{{ ns.a is upper }}",
    TUPLES + "{{ ''[ns.a].x }}",
    TUPLES + "{{ {1: ns.a}.items() - [] }}",
    DICTS + "{{ ns.a.items() }}",
    DICTS + "{{ ns.a.values() ~ '' }}",
]

NOT_COMPILED = [
    "{{ " + "(" * 10_000 + "1" + ")" * 10_000 + " }}",
    "{% for a in [1] %}" * 50 + "{% endfor %}" * 50,
    "{% if 1 %}" * 5000 + "{% endif %}" * 5000,
    "{{ " + "+".join(["1"] * 20_000) + " }}",
    "a" * (MAX_SOURCE_LENGTH + 1),
]


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("source", [*TURNS, *NESTED])
def test_what_takes_too_long_is_refused_soon(source: str) -> None:
    template = ChatTemplate(source)
    started = time.thread_time()

    with pytest.raises(ChatTemplateError, match=REFUSED):
        template.render(HELLO)

    assert time.thread_time() - started < 2 * MAX_CPU_S


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("source", [*TEXTS, *LISTS_AND_KEPT])
def test_what_grows_too_large_is_refused_in_little_memory(source: str) -> None:
    template = ChatTemplate(source)

    with pytest.raises(ChatTemplateError, match=REFUSED):
        template.render(HELLO)

    assert tracemalloc.get_traced_memory()[1] < MAX_BYTES


@pytest.mark.parametrize("source", NOT_COMPILED)
def test_what_is_too_long_or_too_deep_to_compile_is_a_template_error(source: str) -> None:
    with pytest.raises(ChatTemplateError, match=r"cannot be compiled|characters"):
        ChatTemplate(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a'.encode() }}",
        "{{ 'a'.translate({}) }}",
        "{{ 'a'.expandtabs(9) }}",
        "{{ (1).to_bytes(9, 'big') }}",
        "{{ lipsum() }}",
        "{{ dict.update(messages[0], {'role': 'x'}) }}",
        "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    ],
)
def test_what_no_template_needs_is_not_there(source: str) -> None:
    with pytest.raises(ChatTemplateError, match="fails on this conversation"):
        ChatTemplate(source).render(HELLO)


@pytest.mark.parametrize("name", ["pprint", "striptags", "urlize", "wordwrap", "xmlattr"])
def test_filters_for_pages_are_unknown(name: str) -> None:
    with pytest.raises(ChatTemplateError, match="No filter named"):
        ChatTemplate("{{ 'a' | " + name + " }}")


def test_what_is_refused_leaves_the_template_usable() -> None:
    template = ChatTemplate("{% for i in range(messages[0].content | int) %}{{ 'a' * 100000 }}{% endfor %}")

    with pytest.raises(ChatTemplateError):
        template.render([{"role": "user", "content": "99999"}])

    assert template.render([{"role": "user", "content": "2"}]) == "a" * 200_000


def test_a_long_conversation_may_cost_more() -> None:
    source = "{% for i in range(20) %}{% for m in messages %}{{ m.content | trim }}{% endfor %}{% endfor %}"
    messages = [{"role": "user", "content": "a" * 1000}] * 1000

    text = ChatTemplate(source).render(messages)

    assert len(text) == 20_000_000 > BASE_WORK


def test_a_namespace_that_holds_itself_is_written_shortly() -> None:
    assert ChatTemplate(ITSELF + "{{ ns }}{{ [ns, ns] }}").render(HELLO) == "<Namespace>[<Namespace>, <Namespace>]"


def test_the_words_of_an_error_are_cut() -> None:
    with pytest.raises(ChatTemplateError) as caught:
        ChatTemplate("{{ raise_exception('a' * 1000000) }}").render(HELLO)

    assert len(str(caught.value)) < 1100


def test_a_variable_cannot_stand_for_the_messages() -> None:
    with pytest.raises(ChatTemplateError, match="'messages'"):
        ChatTemplate("").render(HELLO, messages=[])
