"""The AI SDK with its provider for compatible servers, run by Node.js: a tool round trip, plain and streamed."""

from __future__ import annotations

import pytest

from tests.clients import node
from tests.clients.direct import CHAT, KEY
from tests.clients.round_trip import (
    DESCRIPTION,
    EARLIER,
    FOLLOW_UP,
    INSTRUCTIONS,
    MAX_TOKENS,
    NAME,
    PARAMETERS,
    TOLD,
    expected_answers,
)
from tests.e2e.server_process import ServerProcess

node.need("@ai-sdk/openai-compatible")


@pytest.mark.weights
@pytest.mark.parametrize("way", ["generate", "stream"])
def test_round_trip(weights: ServerProcess, way: str) -> None:
    told = {"name": NAME, "description": DESCRIPTION, "parameters": PARAMETERS, "told": TOLD}
    turns = {"instructions": INSTRUCTIONS, "messages": EARLIER, "followUp": FOLLOW_UP, "maxTokens": MAX_TOKENS}

    said = node.run(
        "round_trip.cjs", way, {"baseURL": f"{weights.url}/v1", "apiKey": KEY, "model": CHAT, **told, **turns}
    )

    assert said["answers"] == expected_answers(weights, said["cities"], said["answers"][0])
