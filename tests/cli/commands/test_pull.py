"""``jan-ort models pull`` from a hub: what is fetched, and what an accident leaves for the next run."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jan_ort.ground.task import EMBED, GENERATE, Task
from jan_ort.models.cache.manifest import find_damage
from jan_ort.models.folder import ModelFolder
from tests.convert.tiny_bert import write_tiny_bert
from tests.convert.tiny_llama import TinyLlama
from tests.e2e.server_process import READY_S, environment
from tests.models.sources.fake_hub import FakeHub, running
from tests.signals import send_signal


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    directory = tmp_path_factory.mktemp("hub")
    gguf = TinyLlama().write(directory / "tiny.gguf")
    embedder = write_tiny_bert(directory / "embedder")
    files = [path for path in embedder.rglob("*") if path.is_file()]
    return {
        "org/tiny": {"tiny.F32.gguf": gguf.read_bytes(), "README.md": b"read me"},
        "org/embedder": {path.relative_to(embedder).as_posix(): path.read_bytes() for path in files},
    }


@pytest.fixture
def hub(repositories: dict[str, dict[str, bytes]]) -> Iterator[FakeHub]:
    with running(FakeHub(repositories)) as hub:
        yield hub


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(hub: FakeHub, own_cache: Path) -> Start:
    """Begins to pull in a process of its own."""

    def begin(*arguments: str, limit_bytes: int | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "jan_ort", "models", "pull", *arguments],
            env=environment(
                HF_ENDPOINT=hub.url,
                JAN_ORT_CACHE_DIR=str(own_cache),
                HF_HUB_DISABLE_TELEMETRY="1",
                HF_HUB_DOWNLOAD_TIMEOUT="600",  # what stalls on purpose, while others start, is not asked for again
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=None if limit_bytes is None else lambda: _limit(limit_bytes),
        )

    return begin


def _limit(num_bytes: int) -> None:
    import resource  # Windows has none

    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=READY_S)
    return process.returncode, stdout.strip(), stderr.strip()


def check_pulled(process: subprocess.Popen[str], cache_dir: Path, task: Task = GENERATE) -> Path:
    """Check that the pull ended well and left a whole model, and nothing that is half done."""
    status, stdout, stderr = ended(process)
    assert status == 0, stderr
    folder = Path(stdout)
    assert (ModelFolder.read(folder).task, find_damage(folder)) == (task, None)
    assert list(cache_dir.rglob(".tmp-*")) == []
    return folder


def check_refused(process: subprocess.Popen[str], needle: str) -> None:
    """Check that the pull ended with one line that says why."""
    status, stdout, stderr = ended(process)
    assert (status, stdout) == (1, ""), stderr
    assert needle in stderr.splitlines()[-1]
    assert "Traceback" not in stderr


def test_a_chat_model_is_fetched_and_converted(start: Start, own_cache: Path) -> None:
    check_pulled(start("org/tiny"), own_cache)


def test_an_embedding_model_is_told_by_what_it_holds_and_again_without_the_network(
    start: Start, own_cache: Path, hub: FakeHub
) -> None:
    first = check_pulled(start("org/embedder"), own_cache, EMBED)
    hub.url = "http://127.0.0.1:9"

    assert check_pulled(start("org/embedder"), own_cache, EMBED) == first


def test_the_task_that_is_said_counts(start: Start) -> None:
    check_refused(start("org/embedder", "--task", "generate"), "no model that can be used to generate")


def test_a_pull_that_was_killed_in_the_middle_can_be_done_again(start: Start, own_cache: Path, hub: FakeHub) -> None:
    hub.stall.set()
    killed = start("org/tiny")
    assert hub.stalled.wait(READY_S)
    killed.kill()
    killed.communicate()
    left = list(own_cache.rglob(".tmp-*"))
    hub.resume()

    check_pulled(start("org/tiny"), own_cache)

    assert left != []


def test_a_pull_that_is_interrupted_leaves_nothing(start: Start, own_cache: Path, hub: FakeHub) -> None:
    hub.stall.set()
    interrupted = start("org/tiny")
    assert hub.stalled.wait(READY_S)
    send_signal(interrupted.pid, signal.SIGINT)
    status, stdout, stderr = ended(interrupted)

    assert (status != 0, stdout) == (True, "")
    assert "Traceback" not in stderr
    assert [path for path in (own_cache / "models").iterdir() if path.suffix != ".lock"] == []


def test_a_server_that_is_interrupted_while_it_fetches_leaves_nothing(own_cache: Path, hub: FakeHub) -> None:
    hub.stall.set()
    server = subprocess.Popen(
        [sys.executable, "-m", "jan_ort", "serve", "--port", "0", "--model", "org/tiny"],
        env=environment(HF_ENDPOINT=hub.url, JAN_ORT_CACHE_DIR=str(own_cache), HF_HUB_DISABLE_TELEMETRY="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert hub.stalled.wait(READY_S)
    send_signal(server.pid, signal.SIGINT)
    status, _, stderr = ended(server)

    assert status == 0, stderr
    assert "Traceback" not in stderr
    assert "stopped while loading" in stderr
    assert [path for path in (own_cache / "models").iterdir() if path.suffix != ".lock"] == []


def test_of_two_pulls_at_once_one_downloads(start: Start, own_cache: Path, hub: FakeHub) -> None:
    hub.stall.set()
    first = start("org/tiny")
    assert hub.stalled.wait(READY_S)
    second = start("org/tiny")
    assert second.stderr is not None
    waiting = next(line for line in second.stderr if "waiting for another process" in line)
    hub.resume()

    assert check_pulled(first, own_cache) == check_pulled(second, own_cache)
    assert "tiny" in waiting
    assert hub.downloads == ["tiny.F32.gguf"]


def test_a_pull_that_waits_for_one_that_is_killed_takes_its_place(start: Start, own_cache: Path, hub: FakeHub) -> None:
    hub.stall.set()
    first = start("org/tiny")
    assert hub.stalled.wait(READY_S)
    second = start("org/tiny")
    assert second.stderr is not None
    assert any("waiting for another process" in line for line in second.stderr)
    hub.stall.clear()
    first.kill()
    first.communicate()

    check_pulled(second, own_cache)

    assert hub.downloads == ["tiny.F32.gguf"] * 2


def test_a_connection_that_breaks_is_made_again(start: Start, own_cache: Path, hub: FakeHub) -> None:
    hub.num_cuts = 1

    check_pulled(start("org/tiny"), own_cache)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of the size of files")
def test_a_file_that_cannot_be_stored_is_said_and_the_next_pull_succeeds(start: Start, own_cache: Path) -> None:
    check_refused(start("org/tiny", limit_bytes=100_000), f"{own_cache}, or a limit of this process, takes no file")

    check_pulled(start("org/tiny"), own_cache)


def test_a_wrong_checksum_is_said_and_the_next_pull_succeeds(start: Start, own_cache: Path, hub: FakeHub) -> None:
    hub.announced["tiny.F32.gguf"] = "1" * 64
    check_refused(start("org/tiny"), f"expected {'1' * 64}: it was damaged or replaced on its way; try again")
    hub.announced.clear()

    check_pulled(start("org/tiny"), own_cache)
