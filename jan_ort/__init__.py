"""An OpenAI-compatible ONNX Runtime inference server: ``hypercorn jan_ort:app`` or ``jan-ort serve``."""

from jan_ort._version import __version__
from jan_ort.http.app import create_app

# An eager name: hypercorn evaluates it in the module's namespace, where a lazy __getattr__ is not looked at.
# Nothing is read, loaded or imported from a plugin until it is served.
app = create_app()

__all__ = ["__version__", "app", "create_app"]
