"""Several replicas behind Ray's own proxy: answers, conversations that go on where they were, a replica's end."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import psutil
import pytest

from tests.e2e.server_process import ServerProcess
from tests.on_ray.conftest import NUM_REPLICAS

NUM_STREAMS = 12
LONG: dict[str, Any] = {"max_tokens": 100, "extra_body": {"min_tokens": 100}}
BACK_S = 60.0


def replicas(server: ServerProcess) -> list[psutil.Process]:
    """Return the processes of the replicas; Ray names them after the deployment."""
    below = psutil.Process(server.process.pid).children(recursive=True)
    return [each for each in below if "ServeReplica:jan-ort" in " ".join(cmdline(each))]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_chats_and_streams_are_answered_as_ever(on_ray: ServerProcess) -> None:
    client = on_ray.client()

    whole = client.chat.completions.create(model="reference", messages=[{"role": "user", "content": "hi"}], seed=1)
    stream = client.chat.completions.create(
        model="reference", messages=[{"role": "user", "content": "hi"}], seed=1, stream=True
    )

    assert whole.choices[0].message.content == "".join(each.choices[0].delta.content or "" for each in stream)


def test_the_second_turn_finds_what_the_first_has_computed(on_ray: ServerProcess) -> None:
    client = on_ray.client()
    found = []

    for number in range(8):
        messages: list[Any] = [{"role": "user", "content": f"{number}: tell me of rings and hashes"}]
        first = client.chat.completions.create(model="reference", messages=messages, max_tokens=8)
        assert first.usage is not None
        messages += [{"role": "assistant", "content": "x"}, {"role": "user", "content": "go on"}]
        second = client.chat.completions.create(model="reference", messages=messages, max_tokens=8)
        assert second.usage is not None
        assert second.usage.prompt_tokens_details is not None
        found.append((second.usage.prompt_tokens_details.cached_tokens or 0) / first.usage.prompt_tokens)

    assert min(found) > 0.8


def test_a_stored_response_is_found_whichever_replica_has_it(on_ray: ServerProcess) -> None:
    client = on_ray.client()

    for number in range(6):
        first = client.responses.create(model="reference", input=f"{number}", max_output_tokens=4)
        second = client.responses.create(
            model="reference", input="more", previous_response_id=first.id, max_output_tokens=4
        )
        assert client.responses.retrieve(second.id).previous_response_id == first.id


def test_nobody_but_this_machine_reaches_a_port_of_ray(on_ray: ServerProcess) -> None:
    processes = psutil.Process(on_ray.process.pid).children(recursive=True)

    listening = {
        each.laddr.ip
        for process in processes
        for each in process.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }

    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_what_would_change_one_replica_is_refused(on_ray: ServerProcess) -> None:
    answer = httpx.post(f"{on_ray.url}/models/load", json={"model": "reference"})

    assert answer.status_code == 501


@pytest.fixture
def streams(on_ray: ServerProcess) -> Iterator[list[Any]]:
    """Long streams of as many conversations, all of which have begun."""
    client = on_ray.client(timeout=60)
    with ThreadPoolExecutor(NUM_STREAMS) as pool:
        begun = list(pool.map(lambda number: begin(client, number), range(NUM_STREAMS)))
        yield [pool.submit(rest, each) for each in begun]


def begin(client: openai.OpenAI, number: int) -> Any:
    stream = iter(
        client.chat.completions.create(
            model="reference", messages=[{"role": "user", "content": f"{number}"}], stream=True, **LONG
        )
    )
    next(stream)
    return stream


def rest(stream: Any) -> str:
    try:
        return [each.choices[0].finish_reason for each in stream if each.choices][-1] or "cut"
    except openai.APIError as error:
        return json.dumps(error.body) if error.body else "cut"


def test_a_replica_s_end_is_that_of_its_own_streams_and_is_told(on_ray: ServerProcess, streams: list[Any]) -> None:
    before = replicas(on_ray)

    before[0].send_signal(signal.SIGTERM if psutil.WINDOWS else signal.SIGKILL)
    ends = [each.result(60) for each in streams]

    assert len(before) == NUM_REPLICAS
    assert set(ends) > {"length"}, "some go on, and some do not"
    assert all("replica_lost" in each for each in ends if each != "length"), ends
    wait_for_replicas(on_ray)


def wait_for_replicas(server: ServerProcess) -> None:
    """Wait until Ray has replaced what has ended, and an answer comes from all."""
    deadline = time.monotonic() + BACK_S
    while len(replicas(server)) < NUM_REPLICAS:
        assert time.monotonic() < deadline, server.log.read_text()[-4000:]
        time.sleep(0.2)
    client = server.client(max_retries=5)
    for number in range(NUM_STREAMS):
        client.chat.completions.create(model="reference", messages=[{"role": "user", "content": f"{number}"}])
