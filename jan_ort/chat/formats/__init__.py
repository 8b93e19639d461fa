"""Tool-call formats: how each family of models writes calls, one file each (hops 3 and 9)."""

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.described import DescribedFormat
from jan_ort.chat.formats.hermes import HermesFormat
from jan_ort.chat.formats.llama3 import Llama3Format
from jan_ort.chat.formats.mistral import MistralArgsFormat, MistralFormat
from jan_ort.chat.formats.template_view import TemplateView, read_template

FORMATS: tuple[ToolFormat, ...] = (
    MistralArgsFormat(),
    MistralFormat(),
    HermesFormat(),
    Llama3Format(),
    DescribedFormat(),
)
"""All formats, in the order in which a template is shown to them; the last one takes any."""


def find_format(template: TemplateView) -> ToolFormat:
    """Return the format that the template teaches its model."""
    return next(each for each in FORMATS if each.detects(template))


__all__ = ["FORMATS", "TemplateView", "ToolFormat", "find_format", "read_template"]
