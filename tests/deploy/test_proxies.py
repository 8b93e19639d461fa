"""Two servers behind the real HAProxy and nginx, as deploy/ configures them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.cli.commands.running import add_plugin
from tests.deploy.proxies import haproxy_before, nginx_before
from tests.e2e.server_process import ServerProcess, environment, serve
from tests.sleeping import SLEEPING

Before = Callable[[Path, Sequence[ServerProcess]], AbstractContextManager[ServerProcess]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="HAProxy and nginx as deploy/ has them are for Unix")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    flags = ("--backend", "reference", "--model", "reference")
    with serve(tmp_path_factory.mktemp("one"), *flags) as one, serve(tmp_path_factory.mktemp("two"), *flags) as two:
        yield [one, two]


@pytest.fixture(scope="module")
def haproxy(servers: list[ServerProcess], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with haproxy_before(tmp_path_factory.mktemp("haproxy"), servers) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def nginx(servers: list[ServerProcess], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with nginx_before(tmp_path_factory.mktemp("nginx"), servers) as proxy:
        yield proxy


def share_found(proxy: ServerProcess, number: int, **options: Any) -> float:
    """Return how much of its first prompt the second turn of a conversation finds cached."""
    client = proxy.client(**options)
    system = {"role": "system", "content": "You know rings and hashes, and are brief."}
    messages: list[Any] = [system, {"role": "user", "content": f"{number}: what is a ring?"}]
    first = client.chat.completions.create(model="reference", messages=messages, max_tokens=4)
    messages += [{"role": "assistant", "content": "x"}, {"role": "user", "content": "go on"}]
    second = client.chat.completions.create(model="reference", messages=messages, max_tokens=4)
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.prompt_tokens_details is not None
    return (second.usage.prompt_tokens_details.cached_tokens or 0) / first.usage.prompt_tokens


def num_answers(server: ServerProcess) -> float:
    text = httpx.get(f"{server.url}/metrics").text
    line = next(each for each in text.splitlines() if each.startswith("vllm:prompt_tokens_total"))
    return float(line.split()[-1])


def test_haproxy_sends_conversations_back_by_how_they_begin(
    haproxy: ServerProcess, servers: list[ServerProcess]
) -> None:
    before = [num_answers(each) for each in servers]

    found = [share_found(haproxy, number) for number in range(12)]

    assert min(found) > 0.9
    assert all(num_answers(each) > had for each, had in zip(servers, before, strict=True)), "both had some"


def test_haproxy_finds_stored_responses(haproxy: ServerProcess) -> None:
    client = haproxy.client()

    for number in range(6):
        first = client.responses.create(model="reference", input=f"{number}")
        second = client.responses.create(model="reference", input="more", previous_response_id=first.id)
        assert client.responses.retrieve(second.id).previous_response_id == first.id


def test_nginx_sends_sessions_back(nginx: ServerProcess, servers: list[ServerProcess]) -> None:
    before = [num_answers(each) for each in servers]

    found = [share_found(nginx, 100 + number, default_headers={"X-Session-Id": f"s{number}"}) for number in range(12)]

    assert min(found) > 0.9
    assert all(num_answers(each) > had for each, had in zip(servers, before, strict=True)), "both had some"


@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
def test_without_a_server_each_request_is_told_to_come_again(
    proxy: str, servers: list[ServerProcess], request: pytest.FixtureRequest
) -> None:
    behind: ServerProcess = request.getfixturevalue(proxy)
    body = {"model": "reference", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    for each in servers:
        each.process.kill()
        each.process.wait(10)

    answer = httpx.post(f"{behind.url}/v1/chat/completions", json=body, timeout=30)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["error"]["code"] in ("no_replica", "replica_lost")


def test_a_killed_server_loses_no_request_that_had_not_begun(tmp_path: Path) -> None:
    flags = ("--backend", "reference", "--model", "reference")
    for name in ("one", "two", "proxy"):
        (tmp_path / name).mkdir()
    with (
        serve(tmp_path / "one", *flags) as one,
        serve(tmp_path / "two", *flags) as two,
        haproxy_before(tmp_path / "proxy", [one, two]) as proxy,
    ):
        client = proxy.client()
        one.process.kill()

        for number in range(12):
            client.chat.completions.create(
                model="reference", messages=[{"role": "user", "content": f"{number}"}], max_tokens=1
            )


@pytest.mark.parametrize("before", [haproxy_before, nginx_before])
def test_a_stream_whose_server_is_killed_ends_as_an_error_for_its_client(before: Before, tmp_path: Path) -> None:
    add_plugin(tmp_path, "sleeping", SLEEPING)
    env = environment(PYTHONPATH=str(tmp_path), STEP_S="0.02")
    (tmp_path / "proxy").mkdir()
    with (
        serve(tmp_path, "--backend", "sleeping", "--model", "reference", env=env) as one,
        before(tmp_path / "proxy", [one]) as proxy,
    ):
        stream = proxy.client().chat.completions.create(
            model="reference",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            extra_body={"min_tokens": 500, "max_tokens": 500},
        )
        next(iter(stream))
        one.process.kill()

        with pytest.raises((httpx.RemoteProtocolError, openai.APIError)):
            list(stream)
