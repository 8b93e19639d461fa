"""More chats than slots: a prompt goes on from what any slot has held, and has the tokens that it has without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.engine.prefix_files import PrefixFiles
from jan_ort.engine.prefix_pool import PrefixPool
from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort.sampling.params import SamplingParams
from jan_ort_backends import DeviceLost, OpenOptions, OutOfMemory, Session, State
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from jan_ort_backends.reference_tokenizer import FOLDER
from tests.engine.running import CHUNKED, CONTEXT_LENGTH, encode, request, twin_generate
from tests.engine.stepping import Stepped, stepped

PARAMS = SamplingParams(8, seed=3, min_tokens=8)
NUM_CHATS = 6


def first_turn(at: int) -> str:
    return f"{at} {'abcdefgh'[at] * 9}. " + "The people walk along the river, and they talk of the old garden. " * 4


def session(num_checkpoints: int | None = None, num_slots: int = 2) -> ReferenceSession:
    opened = ReferenceSession(num_slots, CONTEXT_LENGTH)
    opened.info = replace(opened.info, num_checkpoints=num_checkpoints)
    return opened


def pool_for(opened: Session, max_bytes: float = 1e9, files: PrefixFiles | None = None) -> PrefixPool:
    return PrefixPool(max_bytes, cut_anywhere=opened.info.num_checkpoints is None, files=files)


def ask(engine: Stepped, text: str, scope: str = "") -> SequenceOutput:
    asked = request(Prompt(encode(text), 0, PARAMS))
    asked = GenerationRequest(asked.id, asked.prompts, asked.sink, scope=scope)
    engine.submit(asked)
    engine.all_steps()
    (output,) = engine.outputs(asked)
    assert output.error is None
    assert list(output.token_ids) == twin_generate(encode(text), PARAMS)[0]
    return output


def two_turns(engine: Stepped) -> list[int]:
    """Let each chat say something twice, in turn, and return what of each second prompt had to be computed."""
    texts = [first_turn(at) for at in range(NUM_CHATS)]
    texts = [text + ask(engine, text).text + " And then? Say more." for text in texts]
    return [len(encode(text)) - ask(engine, text).num_cached_tokens for text in texts]


def new_tokens() -> list[int]:
    """Return the tokens of each second prompt beyond the first one."""
    firsts = [encode(first_turn(at)) for at in range(NUM_CHATS)]
    with stepped(session(num_slots=8), capabilities=CHUNKED) as engine:
        texts = [first_turn(at) for at in range(NUM_CHATS)]
        seconds = [encode(text + ask(engine, text).text + " And then? Say more.") for text in texts]
    return [len(second) - len(first) for first, second in zip(firsts, seconds, strict=True)]


@pytest.mark.parametrize("num_checkpoints", [None, 2])
def test_each_chat_computes_only_what_is_new(num_checkpoints: int | None) -> None:
    opened = session(num_checkpoints)
    pool = pool_for(opened)
    with stepped(opened, capabilities=CHUNKED, pool=pool) as engine:
        computed = two_turns(engine)

    more = 0 if num_checkpoints is None else 2  # the last checkpoint is two tokens before the end
    assert computed == [num + more for num in new_tokens()]
    assert pool.num_hits > 0
    assert pool.num_queries > pool.num_hits


def test_so_it_is_in_a_process_of_its_own() -> None:
    opened = open_isolated(ReferenceBackend(), FOLDER, OpenOptions(num_slots=2))
    with stepped(opened, capabilities=CHUNKED, pool=pool_for(opened)) as engine:
        assert two_turns(engine) == new_tokens()


def test_without_room_or_a_backend_that_saves_all_is_computed() -> None:
    for pool in (PrefixPool(0), None):
        with stepped(session(), capabilities=CHUNKED, pool=pool) as engine:
            assert min(two_turns(engine)) > 100
    opened = session()
    opened.info = replace(opened.info, state_key=None)
    with stepped(opened, capabilities=CHUNKED, pool=pool_for(opened)) as engine:
        assert min(two_turns(engine)) > 100


def test_a_prefix_of_another_key_is_not_found() -> None:
    opened = session()
    with stepped(opened, capabilities=CHUNKED, pool=pool_for(opened)) as engine:
        cached = [
            [ask(engine, first_turn(at), scope).num_cached_tokens > 0 for at in range(3)]
            for scope in ("a", "b", "b", "a")
        ]

    assert cached == [[False] * 3, [False] * 3, [True] * 3, [True] * 3]


def test_prompts_that_wait_do_not_wait_for_what_the_pool_has() -> None:
    opened = session()
    with stepped(opened, capabilities=CHUNKED, pool=pool_for(opened)) as engine:
        for at in range(4):
            ask(engine, first_turn(at))
        asked = [request(Prompt(encode(first_turn(0) + more), 0, PARAMS)) for more in ("x", "y")]
        engine.submit(*asked)
        engine.all_steps()

    for each in asked:
        assert engine.outputs(each)[0].num_cached_tokens >= len(encode(first_turn(0))) - 2


def test_a_prefix_that_is_damaged_in_memory_is_computed_and_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    opened = session()
    pool = pool_for(opened)
    with stepped(opened, capabilities=CHUNKED, pool=pool) as engine:
        for at in range(4):
            ask(engine, first_turn(at))
        prefix, length = pool.find(encode(first_turn(0)), "")
        assert prefix is not None
        assert prefix.state is not None
        prefix.state[200] ^= 1
        running = request(Prompt(encode("Hello"), 0, SamplingParams(20, seed=1, min_tokens=20)))
        engine.submit(running)
        engine.steps(3)

        assert length > 100
        assert ask(engine, first_turn(0)).num_cached_tokens == 0

    assert "is damaged" in caplog.text
    assert (
        list(engine.outputs(running)[0].token_ids)
        == twin_generate(running.prompts[0].token_ids, running.prompts[0].params)[0]
    )
    assert prefix not in list(pool._every())


def test_a_device_that_is_lost_while_a_prefix_is_loaded_is_a_lost_device() -> None:
    class Lost(ReferenceSession):
        def load(self, slot: int, state: State) -> None:
            raise DeviceLost("gone", recoverable=True)

    opened = Lost(2, CONTEXT_LENGTH)
    with stepped(opened, capabilities=CHUNKED, pool=pool_for(opened)) as engine:
        for at in range(4):
            ask(engine, first_turn(at))
        asked = request(Prompt(encode(first_turn(0)), 0, PARAMS))
        engine.submit(asked)
        engine.steps(2)

        (output,) = engine.outputs(asked)
        assert "gone" in str(output.error)


def test_a_slot_that_cannot_be_saved_is_used_nevertheless(caplog: pytest.LogCaptureFixture) -> None:
    class Full(ReferenceSession):
        def save(self, slot: int) -> State:
            raise OutOfMemory("no room")

    opened = Full(2, CONTEXT_LENGTH)
    with stepped(opened, capabilities=CHUNKED, pool=pool_for(opened)) as engine:
        assert min(two_turns(engine)) > 100
    assert "is not kept for later: no room" in caplog.text


def test_sequences_that_are_set_aside_take_room_from_prefixes() -> None:
    opened = session()
    pool = pool_for(opened, max_bytes=1)
    with stepped(opened, capabilities=CHUNKED, pool=pool) as engine:
        engine.engine.pool._max_bytes = 10**6
        for at in range(4):
            ask(engine, first_turn(at))
        before = pool.num_bytes
        long = SamplingParams(60, seed=1, min_tokens=60)
        engine.submit(request(*(Prompt(encode("Hello"), at, long, choice=at) for at in range(3))))
        engine.steps(5)
        engine.engine.pool._max_bytes = before
        engine.submit(request(Prompt(encode("Why?"), 0, long)))
        engine.steps(3)

        aside = engine.engine._scheduler.num_aside_bytes()
        assert aside > 0
        assert pool.num_bytes <= before - aside


def chats(folder: Path, key: str = "key", texts: Sequence[str] = (), max_mb: int = 100) -> list[int]:
    """Ask these in a server of its own, whose prompts are kept in a folder; return what was cached of each."""
    opened = session()
    opened.info = replace(opened.info, state_key=key)
    files = PrefixFiles(folder, key, max_mb * 2**20)
    with stepped(opened, capabilities=CHUNKED, pool=pool_for(opened, files=files)) as engine:
        return [ask(engine, text).num_cached_tokens for text in texts]


def test_a_server_that_starts_again_goes_on_from_what_it_had(tmp_path: Path) -> None:
    texts = [first_turn(at) for at in range(4)]
    chats(tmp_path / "kept", texts=texts)

    again = chats(tmp_path / "kept", texts=texts)
    of_another_model = chats(tmp_path / "kept", "another", texts=texts)

    assert again == [len(encode(text)) - 2 for text in texts], "those in slots when it stopped, too"
    assert of_another_model == [0] * 4


def test_a_damaged_file_is_computed_anew(tmp_path: Path) -> None:
    texts = [first_turn(at) for at in range(4)]
    chats(tmp_path / "kept", texts=texts)
    for path in (tmp_path / "kept").glob("*/*"):
        content = np.fromfile(path, np.uint8)
        content[len(content) // 2] ^= 4
        content.tofile(path)

    assert chats(tmp_path / "kept", texts=texts) == [0] * 4
