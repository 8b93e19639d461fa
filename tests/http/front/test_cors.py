"""A page of another origin may use the server if the operator named its origin, and is told so in every answer."""

from __future__ import annotations

from typing import Any

import pytest
from quart.testing.app import LifespanError

from jan_ort.http.auth import ExposureError, check_exposure
from jan_ort.settings.schema import Settings
from jan_ort_openapi import operations
from tests.http.handlers.serving import CHAT, HELLO, serving

PAGE, APP = "http://localhost:3000", "tauri://localhost"
KEY = {"Authorization": "Bearer k3y"}
ASKED = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
}
ALLOWED = "Access-Control-Allow-Origin"
METHODS = {each.method.lower() for each in operations()}


def listed(value: str) -> set[str]:
    return {each.strip().lower() for each in value.split(",")}


async def test_a_preflight_needs_no_key() -> None:
    async with serving(api_key="k3y", cors_origin=[PAGE, APP]) as app:
        client = app.test_client()

        for path in (CHAT, "/v1/models", "/nothing"):
            answer = await client.options(path, headers=ASKED | {"Origin": APP})

            assert (answer.status_code, answer.headers[ALLOWED]) == (204, APP)
            assert listed(answer.headers["Access-Control-Allow-Methods"]) >= METHODS
            names = listed(answer.headers["Access-Control-Allow-Headers"])
            assert {"authorization", "content-type", "x-api-key", "x-stainless-os"} <= names
            assert "origin" in listed(answer.headers["Vary"])
            assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_page_may_use_every_method_that_a_route_has() -> None:
    async with serving(cors_origin=PAGE) as app:
        answer = await app.test_client().options("/v1/responses/resp_12345678", headers=ASKED | {"Origin": PAGE})
        methods = {method.lower() for rule in app.url_map.iter_rules() for method in rule.methods or ()}

    assert "delete" in methods
    assert methods <= listed(answer.headers["Access-Control-Allow-Methods"])


async def test_every_answer_to_the_page_says_so() -> None:
    body = {"messages": HELLO, "max_tokens": 2, "stream": True}
    async with serving(api_key="k3y", cors_origin=PAGE) as app:
        client = app.test_client()
        answers = [
            await client.get("/v1/models", headers=KEY | {"Origin": PAGE}),
            await client.post(CHAT, json=body, headers=KEY | {"Origin": PAGE}),
            await client.get("/v1/models", headers={"Origin": PAGE}),
            await client.post(CHAT, data=b"{", headers=KEY | {"Origin": PAGE, "Content-Type": "application/json"}),
            await client.get("/nothing", headers={"Origin": PAGE}),
        ]
        streamed = await answers[1].get_data(as_text=True)

    assert [each.status_code for each in answers] == [200, 200, 401, 400, 404]
    assert {each.headers[ALLOWED] for each in answers} == {PAGE}
    assert all("origin" in listed(each.headers["Vary"]) for each in answers)
    assert streamed.endswith("data: [DONE]\n\n")


OTHERS = ["https://evil.example", "http://localhost:3001", "https://localhost:3000", f"{PAGE}.evil.example", "null", ""]


@pytest.mark.parametrize("origin", OTHERS)
async def test_another_origin_is_told_of_nothing(origin: str) -> None:
    async with serving(cors_origin=PAGE) as app:
        client = app.test_client()

        answer = await client.get("/v1/models", headers={"Origin": origin})
        preflight = await client.options(CHAT, headers=ASKED | {"Origin": origin})

    assert (answer.status_code, preflight.status_code) == (200, 403)
    assert "access-control" not in f"{answer.headers}{preflight.headers}".lower()
    assert "origin" in listed(answer.headers["Vary"])
    assert "--cors-origin" in (await preflight.get_json())["error"]["message"]


async def test_any_origin_is_told_the_same_and_null_nothing() -> None:
    async with serving(api_key="k3y", cors_origin="*") as app:
        client = app.test_client()
        headers = [
            (await client.get("/v1/models", headers=KEY | {"Origin": origin})).headers for origin in (PAGE, "null")
        ]
        preflight = await client.options(CHAT, headers=ASKED | {"Origin": "null"})

    assert [each.get(ALLOWED) for each in headers] == ["*", None]
    assert ALLOWED not in preflight.headers


async def test_a_plain_options_is_no_preflight() -> None:
    async with serving(cors_origin=PAGE) as app:
        answer = await app.test_client().options(CHAT, headers={"Origin": PAGE})

    assert (answer.status_code, answer.headers[ALLOWED]) == (405, PAGE)


async def test_names_that_are_no_headers_are_not_repeated() -> None:
    headers = ASKED | {"Origin": PAGE, "Access-Control-Request-Headers": "x, b@d"}
    async with serving(cors_origin=PAGE) as app:
        answer = await app.test_client().options(CHAT, headers=headers)

    assert "b@d" not in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("given", [{}, {"allow_unauthenticated": True}, {"admin_key": "k3y"}])
async def test_any_origin_without_a_key_is_refused(given: dict[str, Any]) -> None:
    settings = Settings.read(cors_origin="*", backend="reference", **given)

    with pytest.raises(ExposureError, match="--cors-origin"):
        check_exposure(settings)
    with pytest.raises(LifespanError, match="--cors-origin"):  # as hypercorn starts the app
        async with serving(cors_origin="*", **given):
            pass
