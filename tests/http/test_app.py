"""The edge: what is answered before any handler is asked, to requests of every wrong kind."""

from __future__ import annotations

import json
import logging

import pytest
from quart import Quart

from jan_ort.http.app import create_app
from jan_ort.http.routes import HANDLERS
from jan_ort.serving.server import Status
from jan_ort_openapi import Operation, load_spec, operations
from tests.http.handlers.serving import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    Client,
    post,
    reference_settings,
    server_of,
    serving,
    told,
    until,
)

CURL = "application/x-www-form-urlencoded"
POSTS = [operation for operation in operations() if operation.request_model is not None]


def test_every_operation_of_the_document_has_a_handler() -> None:
    assert set(HANDLERS) == {operation.operation_id for operation in operations()}


async def test_the_served_document_is_the_contract(client: Client) -> None:
    response = await client.get("/openapi.json")

    assert response.content_type == "application/json"
    assert json.loads(await response.get_data(as_text=True)) == load_spec()


@pytest.mark.parametrize("operation", POSTS, ids=lambda operation: operation.path)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"model": "\xff\xfe"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        rb'{"input": "\ud800", "prompt": "\udfff"}',
        b'{"temperature": NaN}',
        b'{"temperature": -Infinity}',
        b'{"temperature": 1e999}',
        b'{"seed": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_a_body_that_is_no_json_text_is_400(client: Client, operation: Operation, body: bytes) -> None:
    status, answer = await post(client, operation.path, body)

    assert status == 400
    assert told(answer)["code"] == "malformed_body"
    assert told(answer).get("type", "invalid_request_error") == "invalid_request_error"
    assert told(answer)["param"] is None


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (COMPLETIONS, {"prompt": 5}, "prompt"),
        (COMPLETIONS, {"prompt": 5.5}, "prompt"),
        (COMPLETIONS, {"max_tokens": "5"}, "max_tokens"),
        (COMPLETIONS, {"max_tokens": True}, "max_tokens"),
        (COMPLETIONS, {"max_tokens": 1.5}, "max_tokens"),
        (COMPLETIONS, {"max_tokens": -2}, "max_tokens"),
        (COMPLETIONS, {"top_p": 1.1}, "top_p"),
        (COMPLETIONS, {"stream": 5}, "stream"),
        (COMPLETIONS, {"mirostat_mode": 3}, "mirostat_mode"),
        (COMPLETIONS, {"stop": [5]}, "stop.0"),
        (CHAT, {"messages": "hi"}, "messages"),
        (CHAT, {"messages": [{"role": "wizard", "content": "hi"}]}, "messages.0.role"),
        (CHAT, {"messages": [{"role": "user"}]}, "messages.0.content"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        (EMBEDDINGS, {}, "input"),
        (EMBEDDINGS, {"input": "hi", "encoding_format": "hex"}, "encoding_format"),
        (EMBEDDINGS, {"input": "hi", "dimensions": -1}, "dimensions"),
        ("/extras/detokenize", {"tokens": "hi"}, "tokens"),
        (COMPLETIONS, [], None),
    ],
)
async def test_a_violated_schema_is_422_with_detail_and_param(
    client: Client, path: str, body: object, param: str | None
) -> None:
    status, answer = await post(client, path, body)

    assert status == 422
    assert answer["error"]["param"] == param
    assert answer["error"]["code"] == "schema_violation"
    locations = [".".join(map(str, entry["loc"])) for entry in answer["detail"]]
    assert "body" + (f".{param}" if param else "") in locations
    assert all(entry["msg"] and entry["type"] for entry in answer["detail"])


@pytest.mark.parametrize("operation", POSTS, ids=lambda operation: operation.path)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "a;b"])
async def test_a_wrong_content_type_is_415(client: Client, operation: Operation, kind: str) -> None:
    of_a_page = {"Content-Type": kind, "Origin": "http://example.org"}
    response = await client.post(operation.path, data=b"{}", headers=of_a_page)

    assert response.status_code == 415
    assert told(await response.get_json())["code"] == "not_json"


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_json_is_recognised_in_every_spelling(client: Client, kind: str) -> None:
    response = await client.post(COMPLETIONS, data=b"{}", headers={"Content-Type": kind})

    assert response.status_code == 200


@pytest.mark.parametrize("operation", POSTS, ids=lambda operation: operation.path)
@pytest.mark.parametrize("headers", [{"Content-Type": CURL}, {}])
async def test_what_ollamas_clients_say_of_a_body_is_json_in_its_api_alone(
    client: Client, operation: Operation, headers: dict[str, str]
) -> None:
    response = await client.post(operation.path, data=b"[]", headers=headers)

    code = told(await response.get_json())["code"]
    assert code == ("schema_violation" if operation.path.startswith("/api/") else "not_json")


@pytest.mark.parametrize(
    "header", [("Origin", "null"), ("Sec-Fetch-Site", "same-origin"), ("Referer", "http://localhost/")]
)
async def test_what_they_say_is_not_taken_from_a_page(client: Client, header: tuple[str, str]) -> None:
    kinds: list[dict[str, str]] = [{}, {"Content-Type": CURL}]
    answers = [await client.post("/api/show", data=b"{}", headers={header[0]: header[1], **kind}) for kind in kinds]

    assert [each.status_code for each in answers] == [415, 415]


async def test_a_body_without_content_type_is_415(client: Client) -> None:
    response = await client.post(COMPLETIONS, data=b"{}")

    assert response.status_code == 415
    assert "Content-Type: application/json" in (await response.get_json())["error"]["message"]


async def test_a_body_over_the_limit_is_413_and_names_the_setting(client: Client) -> None:
    status, answer = await post(client, COMPLETIONS, {"prompt": "a" * 20_000_000})

    assert status == 413
    assert f"; at most {16 * 2**20} are allowed (setting JAN_ORT_MAX_BODY_BYTES)" in answer["error"]["message"]


async def test_the_body_limit_is_a_setting() -> None:
    async with serving(max_body_bytes=2000) as app:
        client = app.test_client()

        assert (await post(client, COMPLETIONS, {"prompt": "a" * 2000}))[0] == 413
        assert (await post(client, COMPLETIONS, {"prompt": "a b " * 20}))[0] == 200


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/completion", "//v1/models", "/models//load"])
async def test_an_unknown_path_is_a_json_404(client: Client, path: str) -> None:
    response = await client.get(path)

    assert response.status_code == 404
    assert (await response.get_json())["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.operation_id)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_a_wrong_method_is_405_with_allow(client: Client, operation: Operation, method: str) -> None:
    expected = {each.method for each in operations() if each.path == operation.path}
    if method in expected:
        method = "QUERY"

    response = await client.open(operation.path.replace("{model}", "m"), method=method)

    assert response.status_code == 405
    assert expected <= set(response.headers["Allow"].split(", "))
    assert told(await response.get_json())["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/models/reference", "/openapi.json"])
async def test_head_is_answered_like_get(client: Client, path: str) -> None:
    response = await client.head(path)

    assert response.status_code == 200
    assert response.content_type == "application/json"


async def test_head_of_a_post_is_405(client: Client) -> None:
    response = await client.head(COMPLETIONS)

    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"


async def test_an_unknown_field_is_accepted_and_logged_once(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    body = {"prompt": "Hello", "max_tokens": 1, "a_field_of_tomorrow": {"x": 1}}

    with caplog.at_level(logging.WARNING, "jan_ort.http.unknown_fields"):
        answers = [await post(client, COMPLETIONS, body) for _ in range(3)]

    assert [status for status, _ in answers] == [200, 200, 200]
    assert [record.args for record in caplog.records] == [
        ("create_completion_v1_completions_post", "a_field_of_tomorrow")
    ]


async def test_unknown_fields_within_objects_are_logged_once(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    function = {"name": "f", "parameters": {"of": "a schema"}, "cache": True}
    parts = [{"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}]
    body = {
        "messages": [{"role": "user", "content": parts}, {"role": "user", "content": "Hi", "mood": "glad"}] * 2,
        "tools": [{"type": "function", "function": function}],
        "stream_options": {"include_obfuscation": False},
        "max_tokens": 1,
    }

    with caplog.at_level(logging.WARNING, "jan_ort.http.unknown_fields"):
        await post(client, CHAT, body)

    assert {record.args[1] for record in caplog.records if isinstance(record.args, tuple)} == {
        "messages[].content[].cache_control",
        "messages[].mood",
        "tools[].function.cache",
        "stream_options.include_obfuscation",
    }
    assert len(caplog.records) == 4


async def test_a_field_that_is_refused_is_not_said_to_have_no_effect(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    tools = [{"type": "function", "function": {"name": "f"}, "strict": True}]
    bodies = [
        (COMPLETIONS, {"prompt": "Hello", "typical_p": 0.5}),
        (CHAT, {"tools": tools}),
        (CHAT, {"messages": [{"role": "user", "content": "Hello", "images": ["x"]}]}),
        ("/v1/responses", {"input": "Hello", "top_n_sigma": 2}),
    ]

    with caplog.at_level(logging.WARNING, "jan_ort.http.unknown_fields"):
        answers = [await post(client, path, body) for path, body in bodies]

    assert [status for status, _ in answers] == [400] * len(bodies)
    assert not [record for record in caplog.records if record.name == "jan_ort.http.unknown_fields"]


async def test_a_refused_request_is_logged_without_what_it_says(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "jan_ort.http.error_answers"):
        await post(client, COMPLETIONS, {"prompt": "a secret", "top_p": "a secret"})

    (message,) = [record.getMessage() for record in caplog.records]
    assert message == "POST /v1/completions 422 schema_violation, param top_p"


async def test_while_loading_every_operation_is_503_with_retry_after() -> None:
    app = create_app(reference_settings())
    async with app.test_app():
        client = app.test_client()
        await until(lambda: server_of(app).status == "ready")
        server_of(app).status = Status.LOADING

        for operation in operations():
            response = await client.open(
                operation.path, method=operation.method, data=b"{}", headers={"Content-Type": "application/json"}
            )
            assert response.status_code == 503, operation
            assert response.headers["Retry-After"] == "2"
            assert told(await response.get_json())["code"] == "server_loading"


async def test_a_failed_load_is_503_and_says_why() -> None:
    async with serving(model="no-such-model-anywhere") as app:
        client = app.test_client()

        response = await client.get("/health")
        status, answer = await post(client, COMPLETIONS, {})

    assert response.status_code == status == 503
    assert answer["error"]["code"] == "server_failed"
    assert "no-such-model-anywhere" in answer["error"]["message"]


async def test_a_failed_load_is_reported_once() -> None:
    failures: list[Exception] = []
    app = create_app(reference_settings(model="no-such-model-anywhere"), on_failure=failures.append)

    async with app.test_app():
        await until(lambda: server_of(app).status != "loading")

    assert len(failures) == 1
    assert "no-such-model-anywhere" in str(failures[0])


async def test_a_stopped_server_refuses(app: Quart, client: Client) -> None:
    await server_of(app).stop()

    status, answer = await post(client, COMPLETIONS, {})

    assert status == 503
    assert answer["error"]["code"] == "server_stopping"


async def test_an_unforeseen_exception_is_a_json_500_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("secret")

    app = create_app(reference_settings())
    app.add_url_rule("/fail", "fail", fail)
    async with app.test_app():
        response = await app.test_client().get("/fail")
        text = await response.get_data(as_text=True)

    assert response.status_code == 500
    assert json.loads(text)["error"]["code"] == "internal_error"
    assert "secret" not in text
    assert "secret" in caplog.text


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip", "deflate,identity", "x-unknown"])
async def test_an_encoded_body_is_refused_by_its_encoding(client: Client, encoding: str) -> None:
    response = await client.post(
        COMPLETIONS, data=b"{}", headers={"Content-Type": "application/json", "Content-Encoding": encoding}
    )

    message = (await response.get_json())["error"]["message"]
    assert (response.status_code, response.headers["Accept-Encoding"]) == (415, "identity")
    assert f"{encoding!r}; send it uncompressed" in message


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", "identity, identity"])
async def test_a_body_that_is_not_encoded_is_read(client: Client, encoding: str) -> None:
    status, _ = await post(client, COMPLETIONS, {"prompt": "a", "max_tokens": 1}, **{"Content-Encoding": encoding})

    assert status == 200


@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
async def test_a_page_of_another_origin_is_told_of_nothing(client: Client, method: str) -> None:
    headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}

    response = await client.open("/v1/models" if method == "GET" else COMPLETIONS, method=method, headers=headers)

    assert response.status_code == (200 if method == "GET" else 405)
    assert "access-control" not in str(response.headers).lower()
