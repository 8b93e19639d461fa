"""What chat templates call ``dict`` and ``namespace``, harmless in their hands (hop 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.utils import Namespace


class TemplateNamespace(Namespace):
    """``namespace()`` without names that Python gives a meaning."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise SecurityError(f"a namespace cannot hold {name!r}; rename it")
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<Namespace>"  # its items could hold one another without end


class TemplateDict:
    """``dict()`` as a function: the class itself would let a template change dictionaries that are not its own."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:  # noqa: D102
        return dict(*args, **kwargs)

    def fromkeys(self, keys: Iterable[Any], value: Any = None) -> dict[Any, Any]:
        """Return a dictionary of one value under each key."""
        return dict.fromkeys(keys, value)


def new_namespace(*args: Any, **kwargs: Any) -> TemplateNamespace:
    """Return a namespace of these names."""
    namespace = TemplateNamespace()
    for name, value in dict(*args, **kwargs).items():
        namespace[name] = value
    return namespace
