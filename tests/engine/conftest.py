"""A session of one slot that is held up until a test lets it go."""

from __future__ import annotations

import pytest

from tests.engine.running import HeldSession


@pytest.fixture
def held() -> HeldSession:
    session = HeldSession(num_slots=1)
    session.held = True
    return session
