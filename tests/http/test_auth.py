"""Who may call: the key, the loopback rule, and that both are checked before anything is read."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from jan_ort.http.api_error import ApiError
from jan_ort.http.auth import (
    ExposureError,
    check_exposure,
    check_host,
    check_peer,
    check_request,
    given_keys,
    is_loopback,
)
from jan_ort.http.body import RequestBody
from jan_ort.http.keys import ApiKeys
from jan_ort.settings.schema import Settings
from jan_ort_openapi import Operation, operations
from tests.http.handlers.serving import COMPLETIONS, serving, told


def ask(
    settings: Settings,
    authorization: str | None,
    address: str | None,
    host: str | None,
    *,
    x_api_key: str | None = None,
    changes_server: bool = False,
) -> str | None:
    given = given_keys(authorization, x_api_key)
    return check_request(settings, ApiKeys(settings), given, address, host, changes_server=changes_server)


def ask_with(authorization: str | None, key: str) -> None:
    ask(Settings.read(api_key=key), authorization, "192.168.1.5", "evil.example")


SECURED = [operation for operation in operations() if operation.secured]


def test_everything_but_health_is_secured() -> None:
    assert {operation.path for operation in operations()} - {operation.path for operation in SECURED} == {"/health"}


@pytest.mark.parametrize("header", ["Bearer k3y", "bearer k3y", "BEARER k3y", "Bearer   k3y "])
def test_the_right_key_passes(header: str) -> None:
    ask_with(header, "k3y")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer k3", "Bearer k3yy", "Basic k3y", "k3y"])
def test_anything_else_is_401_with_the_scheme(header: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        ask_with(header, "k3y")

    assert refused.value.status == 401
    assert refused.value.code == "invalid_api_key"
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_key_beyond_ascii_is_compared_by_its_bytes() -> None:
    as_it_arrives = "Bearer schlüssel".encode().decode("latin-1")

    ask_with(as_it_arrives, "schlüssel")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "::1%lo"])
def test_this_machine_is_loopback(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "0.0.0.0", "::", "fe80::1%eth0", "::ffff:8.8.8.8", "localhost", "127.0.0.1.example.org", ""]
)
def test_everything_else_is_not(address: str) -> None:
    assert not is_loopback(address)


@pytest.mark.parametrize("address", ["192.168.1.5", "2001:db8::1", "_hidden", "192.0.2.43:47011"])
def test_without_a_key_other_machines_are_refused(address: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_peer(address)

    assert refused.value.status == 401
    assert "JAN_ORT_API_KEY" in refused.value.message


def test_without_a_network_there_is_nobody_to_refuse() -> None:
    ask(Settings.read(), None, None, "any.name")


def test_without_a_key_other_machines_are_served_if_that_is_said() -> None:
    ask(Settings.read(allow_unauthenticated=True), None, "192.168.1.5", "evil.example")


def test_with_a_key_every_machine_needs_it() -> None:
    settings = Settings.read(api_key="k3y", allow_unauthenticated=True)

    ask(settings, "Bearer k3y", "192.168.1.5", "evil.example")
    with pytest.raises(ApiError):
        ask(settings, None, "127.0.0.1", "localhost")


@pytest.mark.parametrize("operation", SECURED, ids=lambda operation: operation.operation_id)
async def test_every_secured_operation_needs_the_key(operation: Operation) -> None:
    path = operation.path.replace("{model}", "reference").replace("{response_id}", "resp_none")
    async with serving(api_key="k3y") as app:
        client = app.test_client()

        missing = await client.open(path, method=operation.method, data=b"not even json")
        wrong = await client.open(path, method=operation.method, headers={"Authorization": "Bearer no"}, data=b"{}")
        headers = {"Authorization": "Bearer k3y", "Content-Type": "application/json"}
        right = await client.open(path, method=operation.method, headers=headers, data=b"{}")

    assert (missing.status_code, wrong.status_code) == (401, 401)
    assert missing.headers["WWW-Authenticate"] == 'Bearer realm="jan-ort"'
    expected = 400 if path.startswith(("/v1/messages", "/api/")) else 422
    is_unknown = path.startswith("/v1/responses/resp_none")
    assert right.status_code in ((404,) if is_unknown else (200, expected))


async def test_the_key_is_checked_before_the_body_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[RequestBody] = []
    whole = RequestBody.whole

    async def watched(body: RequestBody) -> bytes:
        read.append(body)
        return await whole(body)

    monkeypatch.setattr(RequestBody, "whole", watched)
    async with serving(api_key="k3y") as app:
        client = app.test_client()
        headers = {"Content-Type": "application/json"}

        refused = await client.post(COMPLETIONS, data=b"{}", headers=headers)
        assert (refused.status_code, len(read)) == (401, 0)
        served = await client.post(COMPLETIONS, data=b"{}", headers=headers | {"Authorization": "Bearer k3y"})

    assert (served.status_code, len(read)) == (200, 1)


async def test_health_needs_no_key() -> None:
    async with serving(api_key="k3y") as app:
        response = await app.test_client().get("/health")

    assert response.status_code == 200


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.168.1.5", 401)])
async def test_the_peers_address_decides_without_a_key(address: str, status: int) -> None:
    async with serving() as app:
        response = await app.test_client().get("/v1/models", scope_base={"client": (address, 4711)})

    assert response.status_code == status


@pytest.mark.parametrize(
    "host",
    [None, "", "localhost", "LOCALHOST:8000", "jan.localhost", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000", "nas:1"],
)
def test_a_name_of_this_machine_is_served_without_a_key(host: str | None) -> None:
    check_host(host, "NAS")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1", "[::2]", "[", "127.0.0.1.evil"],
)
def test_a_name_that_was_made_to_mean_this_machine_is_refused_without_a_key(host: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_host(host, "127.0.0.1")

    assert (refused.value.status, refused.value.code) == (401, "api_key_required")
    assert repr(host) in refused.value.message
    assert "JAN_ORT_API_KEY" in refused.value.message
    assert "--allowed-host" in refused.value.message


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("host.docker.internal:8000", 200),
        ("HOST.docker.internal", 200),
        ("nas", 200),
        ("localhost", 200),
        ("evil.docker.internal", 401),
        ("host.docker.internal.evil.example", 401),
    ],
)
async def test_a_host_that_the_operator_named_is_served_without_a_key(host: str, status: int) -> None:
    async with serving(allowed_host=["host.docker.internal", "NAS:8000"]) as app:
        here = {"client": ("127.0.0.1", 4711)}

        response = await app.test_client().get("/v1/models", headers={"Host": host}, scope_base=here)

    assert response.status_code == status


async def test_a_page_that_rebinds_its_own_name_reads_nothing() -> None:
    async with serving() as app:
        client, here = app.test_client(), {"client": ("127.0.0.1", 4711)}

        rebound = await client.get("/v1/models", headers={"Host": "evil.example:8000"}, scope_base=here)
        own = await client.get("/v1/models", headers={"Host": "127.0.0.1:8000"}, scope_base=here)

    assert (rebound.status_code, own.status_code) == (401, 200)


def test_the_edge_needs_no_template_and_no_tokenizer() -> None:
    program = "import jan_ort.http.auth, sys; print(*{'jinja2', 'tokenizers', 'quart', 'numpy'} & sys.modules.keys())"

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert run.stdout.split() == []


def _code(answer: dict[str, Any]) -> str | None:
    code: str | None = told(answer)["code"] if "error" in answer else None
    return code


ADMIN = [operation for operation in SECURED if operation.path.startswith("/models/")]


def test_loading_and_unloading_change_the_server_and_nothing_else_does() -> None:
    changing = {operation.path for operation in operations() if operation.changes_server}

    assert changing == {"/models/load", "/models/unload"}


@pytest.mark.parametrize("operation", SECURED, ids=lambda operation: operation.operation_id)
async def test_with_an_admin_key_only_that_changes_the_server(operation: Operation) -> None:
    path = operation.path.replace("{model}", "reference")
    async with serving(api_key="k3y", admin_key="adm1n") as app:
        client = app.test_client()

        async def ask(header: str | None) -> tuple[int, str | None]:
            headers = {"Content-Type": "application/json"} | ({"Authorization": header} if header else {})
            response = await client.open(path, method=operation.method, headers=headers, data=b'{"input": 5}')
            return response.status_code, _code(await response.get_json() or {})

        refused = [await ask(header) for header in (None, "Bearer no", "adm1n", "Basic adm1n")]
        by_user, by_admin = await ask("Bearer k3y"), await ask("Bearer adm1n")

    assert set(refused) == {(401, "invalid_api_key")}
    assert by_admin[0] not in (401, 403)
    if operation.changes_server:
        assert by_user == (403, "admin_key_required")
    else:
        assert by_user == by_admin


@pytest.mark.parametrize("operation", ADMIN, ids=lambda operation: operation.operation_id)
async def test_an_admin_key_alone_leaves_the_rest_as_without_a_key(operation: Operation) -> None:
    async with serving(admin_key="adm1n") as app:
        client, here = app.test_client(), {"client": ("127.0.0.1", 4711)}
        headers = {"Content-Type": "application/json", "Host": "localhost"}

        models = await client.get("/v1/models", headers=headers, scope_base=here)
        without = await client.post(operation.path, headers=headers, data=b"{}", scope_base=here)
        with_it = await client.post(
            operation.path, headers=headers | {"Authorization": "Bearer adm1n"}, data=b"{}", scope_base=here
        )

    assert (models.status_code, without.status_code, with_it.status_code) == (200, 401, 200)


def test_without_an_admin_key_every_key_changes_the_server_as_before() -> None:
    ask(Settings.read(api_key="k3y"), "Bearer k3y", "192.168.1.5", "x", changes_server=True)


def test_one_key_for_both_is_refused() -> None:
    with pytest.raises(ExposureError, match="so it protects nothing"):
        check_exposure(Settings.read(api_key="k3y", admin_key="k3y"))
