"""Tool-call formats: which there are, and which one a template teaches its model (hops 3 and 9)."""

from importlib import import_module
from pkgutil import iter_modules

from jan_ort.chat.formats import families
from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.described import DescribedFormat
from jan_ort.chat.formats.template_view import TemplateView, read_template


def _found() -> tuple[ToolFormat, ...]:
    """Return the formats of all modules of ``families``, and the one that takes any template."""
    modules = [import_module(f"{families.__name__}.{each.name}") for each in iter_modules(families.__path__)]
    classes = [
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, ToolFormat) and each.__module__ == module.__name__
    ]
    return (*(each() for each in classes), DescribedFormat())


FORMATS: tuple[ToolFormat, ...] = _found()
"""All formats; a template is one's at most, and else the last one's."""


def find_format(template: TemplateView) -> ToolFormat:
    """Return the format that the template teaches its model."""
    return next(each for each in FORMATS if each.detects(template))


__all__ = ["FORMATS", "TemplateView", "ToolFormat", "find_format", "read_template"]
