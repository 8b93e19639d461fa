"""What the log says of a model that is loaded."""

from __future__ import annotations

import logging

import pytest

from tests.http.handlers.serving import serving


async def test_a_model_loaded_for_two_tasks_is_told_with_each(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "jan_ort"):
        async with serving():
            pass

    told = [message.partition(" on ")[0] for message in caplog.messages if " is loaded on " in message]
    assert sorted(told) == ["reference (chat) is loaded", "reference (embedding) is loaded"]
