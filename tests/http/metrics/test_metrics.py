"""GET /metrics: what Prometheus reads agrees with what the answers said."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from quart import Quart
from quart.testing.app import LifespanError

from jan_ort.http.launcher import bind
from jan_ort.http.routes import METRICS
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, Client, complete, engine_of, serving, stream, until

Samples = dict[str, float]


def read(text: str) -> Samples:
    """Return every sample by its name and its labels but the model's, in the order in which they are written."""
    samples = (each for family in text_string_to_metric_families(text) for each in family.samples)
    return {_key(each.name, each.labels): each.value for each in samples}


def _key(name: str, labels: dict[str, str]) -> str:
    given = [f"{label}={value}" for label, value in labels.items() if label != "model_name"]
    return " ".join([name, *given])


async def scraped(client: Client, **headers: str) -> Samples:
    response = await client.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain")
    return read(await response.get_data(as_text=True))


async def test_tokens_and_ends_are_those_of_the_answers(client: Client) -> None:
    answers = [await complete(client, prompt="The same words again and again, as before", max_tokens=n) for n in (3, 5)]
    await stream(client, CHAT, {"messages": HELLO, "min_tokens": 4, "max_tokens": 4})
    found = await scraped(client)

    usage = [answer["usage"] for answer in answers]
    assert found["vllm:generation_tokens_total"] == sum(each["completion_tokens"] for each in usage) + 4
    assert found["vllm:prompt_tokens_total"] > sum(each["prompt_tokens"] for each in usage)
    assert found["vllm:prefix_cache_queries_total"] == found["vllm:prompt_tokens_total"]
    cached = [each["prompt_tokens_details"]["cached_tokens"] for each in usage]
    assert found["vllm:prefix_cache_hits_total"] >= sum(cached) > 0
    assert found["vllm:request_success_total finished_reason=length"] == 3
    assert found["vllm:time_to_first_token_seconds_count"] == 3
    assert found["vllm:inter_token_latency_seconds_count"] == 2 + 4 + 3
    assert found["vllm:e2e_request_latency_seconds_bucket le=+Inf"] == 3
    assert found["vllm:e2e_request_latency_seconds_sum"] >= found["vllm:time_to_first_token_seconds_sum"] > 0
    assert found["jan_ort_model_loaded task=generate"] == found["jan_ort_model_loaded task=embed"] == 1


async def test_what_runs_and_waits_is_seen_as_it_does() -> None:
    async with serving(num_slots=1) as app:
        client, engine = app.test_client(), engine_of(app)
        body = {"prompt": "a", "max_tokens": 200, "n": 8}  # some still wait when it is scraped
        running = asyncio.ensure_future(client.post(COMPLETIONS, json=body))
        await until(lambda: engine.load.num_running == 1)
        found = await scraped(client)
        await running
        after = await scraped(client)

    assert found["vllm:num_requests_running"] == 1
    assert 1 <= found["vllm:num_requests_waiting"] <= 7
    assert 0 < found["vllm:kv_cache_usage_perc"] <= 1
    assert found["jan_ort_slots"] == 1
    assert [after[f"vllm:num_requests_{state}"] for state in ("running", "waiting")] == [0, 0]
    assert after["vllm:kv_cache_usage_perc"] == 0
    assert sum(number for key, number in after.items() if key.startswith("vllm:request_success_total")) == 8


async def test_a_client_that_goes_is_an_abort(client: Client, app: Quart) -> None:
    async with client.request(COMPLETIONS, method="POST", headers={"Content-Type": "application/json"}) as connection:
        await connection.send(b'{"prompt": "a", "min_tokens": 200, "max_tokens": 200, "stream": true}')
        await connection.send_complete()
        await until(lambda: engine_of(app).load.num_running == 1)
        await connection.disconnect()
    await until(lambda: not engine_of(app).num_queued)
    found = await scraped(client)

    assert found["vllm:request_success_total finished_reason=abort"] == 1
    assert found["vllm:e2e_request_latency_seconds_bucket le=+Inf"] == 0


async def test_answers_are_counted_by_what_was_asked_in_few_labels(client: Client) -> None:
    for path in ("/v1/models/reference", "/v1/models/none", "/v1/models/nothing", "/no/such/path", "/nor/this"):
        await client.get(path)
    await client.get("/v1/responses/resp_of_nobody/input_items")
    await client.get("/livez")
    await client.open("/v1/x", method="BREW")
    await complete(client)
    found = await scraped(client)

    assert found["jan_ort_http_requests_total method=GET path=/v1/models/{model} status=200"] == 1
    assert found["jan_ort_http_requests_total method=GET path=/v1/models/{model} status=404"] == 2
    assert found["jan_ort_http_requests_total method=GET path=/v1/responses/{response_id}/input_items status=404"] == 1
    assert found["jan_ort_http_requests_total method=GET path=/livez status=200"] == 1
    assert found["jan_ort_http_requests_total method=other path=other status=404"] == 3
    assert found["jan_ort_http_requests_total method=POST path=/v1/completions status=200"] == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": "Bearer right"}, 200)],
)
async def test_a_scrape_needs_the_key(headers: dict[str, str], status: int) -> None:
    async with serving(api_key="right") as app:
        assert (await app.test_client().get("/metrics", headers=headers)).status_code == status


async def test_who_prefers_openmetrics_gets_it(client: Client) -> None:
    response = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert response.content_type.startswith("application/openmetrics-text")
    assert (await response.get_data(as_text=True)).endswith("# EOF\n")


ACCEPTED = {
    "Prometheus 2": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Prometheus 3, names as of old": "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,"
    "text/plain;version=1.0.0;escaping=underscores;q=0.3,text/plain;version=0.0.4;q=0.2",
    "no version": "application/openmetrics-text",
    "text": "text/plain;version=1.0.0;escaping=underscores",
    "nothing": "",
}


@pytest.mark.parametrize("accept", ACCEPTED.values(), ids=ACCEPTED)
async def test_names_have_their_colon_whoever_asks(client: Client, accept: str) -> None:
    text = await (await client.get("/metrics", headers={"Accept": accept})).get_data(as_text=True)

    assert "\nvllm:num_requests_running{" in text


async def test_an_address_of_their_own_has_them_without_a_key() -> None:
    async with serving(api_key="right", metrics_port=0) as app:
        port = port_of(app)
        asked = Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": ACCEPTED["Prometheus 2"]})
        text = await asyncio.to_thread(lambda: urlopen(asked).read().decode())  # noqa: S310

    assert "\nvllm:num_requests_running{" in text
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(urlopen, f"http://127.0.0.1:{port}/metrics")


async def test_an_address_that_is_taken_is_named() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(LifespanError, match="choose another --metrics-host"):
        async with serving(metrics_port=taken.getsockname()[1]):
            pass


def port_of(app: Quart) -> int:
    metrics: Any = app.extensions[METRICS]
    port: int = metrics.port
    return port
