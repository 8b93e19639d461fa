"""An OpenAI-compatible ONNX Runtime inference server: ``hypercorn jan_ort:app`` or ``jan-ort serve``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jan_ort._version import __version__
from jan_ort.http.lazy_app import LazyApp

if TYPE_CHECKING:
    from quart import Quart

    from jan_ort.serving.choice import Checked
    from jan_ort.settings.schema import Settings


# Real names both: hypercorn evaluates them in the module's namespace, where a module's __getattr__ is not looked at.
def create_app(
    settings: Settings | None = None,
    *,
    checked: Checked | None = None,
    on_failure: Callable[[Exception], None] | None = None,
) -> Quart:
    """Return a new app, as :func:`jan_ort.http.app.create_app` does, which is imported by the first call."""
    from jan_ort.http.app import create_app as create

    return create(settings, checked=checked, on_failure=on_failure)


app = LazyApp(create_app)
"""The app with settings from the environment."""

__all__ = ["__version__", "app", "create_app"]
