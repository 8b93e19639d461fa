"""Every test of the HTTP edge keeps the event loop's turns short."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _turns_are_short(short_turns: None) -> None:
    """Fail a test whose event loop was held up."""
