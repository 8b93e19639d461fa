"""Whether Wine stands in for Windows here (scripts/wine.sh): what it lacks is no fault of ours."""

from __future__ import annotations

import ctypes
import sys

import pytest

UNDER_WINE: bool = sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version")


def not_under_wine(why: str) -> pytest.MarkDecorator:
    """Return a mark for a test that fails under Wine 8 for ``why``, which is Wine's own."""
    return pytest.mark.skipif(UNDER_WINE, reason=f"Wine's own: {why}")
