"""A model's own chat template, rendered within limits of time and memory (hop 3)."""

from jan_ort.chat.template.template import ChatTemplate, ChatTemplateError, TemplateRefusal

__all__ = ["ChatTemplate", "ChatTemplateError", "TemplateRefusal"]
