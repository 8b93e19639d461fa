"""The kit that judges any server with this API, and any backend plugin."""

from jan_ort_conformance.verdicts.version import __version__

__all__ = ["__version__"]
