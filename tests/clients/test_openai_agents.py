"""OpenAI's Agents SDK with its chat completions and its Responses model: a tool round trip, plain and streamed."""

from __future__ import annotations

from typing import Any

import openai
import pytest

pytest.importorskip("agents", reason="OpenAI's Agents SDK is not installed; run tox -e client-agents")

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)

from tests.clients.direct import CHAT, KEY
from tests.clients.round_trip import (
    DESCRIPTION,
    EARLIER,
    FOLLOW_UP,
    INSTRUCTIONS,
    MAX_TOKENS,
    NAME,
    TOLD,
    expected_answers,
)
from tests.e2e.server_process import ServerProcess

TO_THE_END = 600
"""The SDK takes no response that was cut at its limit."""
UNTRACED = RunConfig(tracing_disabled=True)  # traces go to OpenAI


async def run(agent: Agent[None], turns: list[Any]) -> Any:
    return await Runner.run(agent, turns, run_config=UNTRACED)


async def run_streamed(agent: Agent[None], turns: list[Any]) -> Any:
    running = Runner.run_streamed(agent, turns, run_config=UNTRACED)
    events = [event async for event in running.stream_events()]
    deltas = [event.data.delta for event in events if getattr(event, "data", None) and _is_text(event.data)]
    assert "".join(deltas) == running.final_output
    return running


def _is_text(event: Any) -> bool:
    return str(event.type) == "response.output_text.delta"


@pytest.mark.weights
@pytest.mark.parametrize(
    ("model", "max_tokens"), [(OpenAIChatCompletionsModel, MAX_TOKENS), (OpenAIResponsesModel, TO_THE_END)]
)
@pytest.mark.parametrize("runner", [run, run_streamed])
async def test_round_trip(weights: ServerProcess, runner: Any, model: Any, max_tokens: int) -> None:
    cities: list[str] = []

    def tell(city: str) -> str:
        cities.append(city)
        return TOLD.format(city=city)

    async with openai.AsyncOpenAI(base_url=f"{weights.url}/v1", api_key=KEY, max_retries=0) as client:
        tool = function_tool(tell, name_override=NAME, description_override=DESCRIPTION)
        # Once a tool has run, the agent lets the model choose.
        agent: Agent[None] = Agent(
            name="Weather",
            instructions=INSTRUCTIONS,
            model=model(CHAT, openai_client=client),
            model_settings=ModelSettings(temperature=0, max_tokens=max_tokens, tool_choice="required"),
            tools=[tool],
        )
        first = await runner(agent, EARLIER)
        told = list(cities)
        free = agent.clone(model_settings=ModelSettings(temperature=0, max_tokens=max_tokens))
        second = await runner(free, [*first.to_input_list(), {"role": "user", "content": FOLLOW_UP}])

    function = {"name": NAME, "description": DESCRIPTION, "parameters": tool.params_json_schema, "strict": True}
    offered = {"type": "function", "function": function}
    expected = expected_answers(weights, told, first.final_output, offered, max_tokens=max_tokens)
    assert [first.final_output, second.final_output] == expected
