"""The pytest plugin of the HTTP kit: ``pytest --pyargs jan_ort_conformance.http --jan-ort-url URL``."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; all begin with --jan-ort-."""
    group = parser.getgroup("jan-ort-http", "jan-ort HTTP conformance")
    group.addoption("--jan-ort-url", metavar="URL", help="the server to judge, e.g. http://127.0.0.1:8000")
    group.addoption("--jan-ort-key", metavar="KEY", help="its API key; without it, authentication is not judged")
    group.addoption("--jan-ort-level", default="full", choices=["core", "full", "strict"], help="how much is asked")
