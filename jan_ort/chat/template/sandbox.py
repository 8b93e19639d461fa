"""jinja2's sandbox with a meter: what a template does is counted before it is done (hop 3).

The sandbox alone keeps a template from Python's internals, but lets it fill the memory in one expression. Here

- every turn of a loop, call, filter and piece of output is counted;
- operators, methods and filters whose result can be larger than their operands are counted by that result;
- what compares, hashes or writes a list is counted by all that the list holds;
- methods of the built-in types are those that templates use, each of a cost known from its arguments.

Why a meter: jinja2's own hooks with caps on turns and output see neither ``a ~ b``, nor comparisons, nor lists that
are written out. Measured so, doubling a text with ``~`` took 1.4 GB and 2.6 s, a list kept in a loop 287 MB; with the
meter the worst of 430 hostile templates takes 139 MB and 0.8 s. It costs Qwen 3's template 0.3 ms for 4 messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MappingView
from types import BuiltinMethodType
from typing import Any

from jinja2 import Template, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, Macro, TemplateReference, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Namespace

from jan_ort.chat.template.filters import NOT_FOR_PROMPTS, counted_filters, counted_tests
from jan_ort.chat.template.meter import METER, counted_sum
from jan_ort.chat.template.names import TemplateDict, new_namespace
from jan_ort.chat.template.rewriting import MeteredTree
from jan_ort.chat.template.work import (
    ITEM,
    WIDE,
    WorkExceeded,
    current_work,
    is_container,
    spend_on_format,
    spend_on_percent,
    spend_on_power,
    spend_on_product,
    spend_on_replace,
    width,
)

_TEXT_METHODS = frozenset(
    {
        *("capitalize", "casefold", "center", "count", "endswith", "find", "format", "index", "join", "ljust", "lower"),
        *("lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition"),
        *("rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill"),
        *("isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric"),
        *("isprintable", "isspace", "istitle", "isupper"),
    }
)
_METHODS: tuple[tuple[type | tuple[type, ...], frozenset[str]], ...] = (
    (str, _TEXT_METHODS),
    (dict, frozenset({"get", "items", "keys", "values", "copy"})),
    ((list, tuple), frozenset({"count", "index", "copy"})),
    ((int, float), frozenset({"is_integer", "bit_length"})),
    ((bytes, MappingView, set), frozenset()),
)
_OBJECTS = (Cycler, LoopContext, Macro, Namespace, TemplateDict, TemplateReference, Undefined)

_COUNTED_AT_ONCE = 4096

MAX_WEIGHT = 6_000
"""Parts of a template; the largest that models come with have a few thousand."""


class GenerationBlocks(Extension):
    """``{% generation %}…{% endgeneration %}``, which marks the assistant's words for training, renders its body."""

    tags = {"generation"}  # noqa: RUF012  (jinja2 declares it so)

    def parse(self, parser: Parser) -> nodes.Node:
        """Return the body in a scope of its own, as the macro is that transformers makes of it."""
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class CountingSandbox(ImmutableSandboxedEnvironment):
    """The environment of chat templates, as transformers sets it up, with a meter.

    Nothing in it can be rendered outside ``counting(work)``.
    """

    intercepted_binops = frozenset({"+", "-", "*", "**", "%", "//"})

    def __init__(self) -> None:
        super().__init__(
            optimized=False,  # its time grows with the square of a chain of operators
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[GenerationBlocks, loopcontrols],
            finalize=_counted_output,
        )
        self.filters.update(counted_filters(self.filters) | METER)
        for name in NOT_FOR_PROMPTS:
            del self.filters[name]
        self.tests.update(counted_tests(self.tests))
        self.globals.pop("lipsum")
        self.globals.update(dict=TemplateDict(), namespace=new_namespace)

    def metered(self, source: str) -> Template:
        """Compile a template. Raises: WorkExceeded where it is too long, and what jinja2 raises."""
        tree = self.parse(source)
        meter = MeteredTree()
        meter.visit(tree)
        if meter.weight > MAX_WEIGHT:
            raise WorkExceeded(f"it has {meter.weight} parts; at most {MAX_WEIGHT} are allowed")
        tree.set_environment(self)
        return self.from_string(tree)

    def concat(self, parts: Iterable[str]) -> str:
        """Join the pieces of output, counted one by one."""
        work = current_work()
        texts = []
        each = 1
        size = 0
        for part in parts:
            texts.append(part)
            if each == 1 and not part.isascii():
                each = WIDE
                work.spend(WIDE * sum(map(len, texts)))
            size += ITEM + each * len(part)
            if size > _COUNTED_AT_ONCE:
                work.spend(size)
                size = 0
        work.spend(size)
        return "".join(texts)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Count what ``+ - * ** % //`` will give, and give it."""
        work = current_work()
        if operator == "+":
            return counted_sum(work, left, right)
        if operator == "*":
            spend_on_product(work, left, right)
        elif operator == "**":
            spend_on_power(left, right)
        elif isinstance(left, str):
            spend_on_percent(work, left, right)
        else:
            work.spend_on(left)
            work.spend_on(right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Count a call, and what its arguments hold; a macro counts for itself."""
        work = current_work()
        work.spend(ITEM)
        text = getattr(__obj, "__self__", None)
        if isinstance(text, str):  # Markup's own methods, which are no built-in ones, among them
            args = _spend_on_text_method(text, __obj.__name__, args, kwargs)
        elif not isinstance(__obj, Macro):
            if isinstance(__obj, BuiltinMethodType) and __obj.__name__ in ("count", "index", "copy"):
                work.spend_on(__obj.__self__)
            work.spend_on(args)
            work.spend_on(kwargs)
        return super().call(__context, __obj, *args, **kwargs)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow of the built-in types the methods that are counted, and what jinja2's own objects offer."""
        for types, allowed in _METHODS:
            if isinstance(obj, types):
                return attr in allowed and super().is_safe_attribute(obj, attr, value)
        return isinstance(obj, _OBJECTS) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return ``str.format`` in its sandbox, counted before it is done; nothing for any other value."""
        formatted = super().wrap_str_format(value)
        if formatted is None:
            return None

        def counted_format(*args: Any, **kwargs: Any) -> str:
            spend_on_format(current_work(), value.__self__, [args, kwargs])
            return formatted(*args, **kwargs)

        return counted_format


def _counted_output(value: Any) -> Any:
    """Count a list before it is written; a text is counted when it is joined."""
    if is_container(value):
        current_work().spend_on(value)
    return value


def _spend_on_text_method(text: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Count a text's method before it runs, and return its arguments."""
    work = current_work()
    work.spend(len(text) * width(text, *args))
    match name, args:
        case "center" | "ljust" | "rjust" | "zfill", (int(columns), *_):
            work.spend(WIDE * max(columns, 0))
        case "replace", (str(old), str(new), *_):
            spend_on_replace(work, text, old, new)
        case "strip" | "lstrip" | "rstrip", (str(characters),):
            work.spend(len(text) * len(characters))
        case "join", (items,):
            parts = list(items)
            work.spend_on(parts)
            work.spend(len(text) * len(parts))
            if (each := width(text, *parts)) > 1:
                work.spend(each * sum(len(text) + len(part) for part in parts if isinstance(part, str)))
            return (parts,)
        case (("split" | "rsplit"), (str(separator), *_)) if separator:
            work.spend(4 * ITEM * text.count(separator))
        case "split" | "rsplit" | "splitlines", _:
            work.spend(ITEM * len(text) // 2)
        case _:
            for value in (*args, *kwargs.values()):
                work.spend_on(value)
    return args
