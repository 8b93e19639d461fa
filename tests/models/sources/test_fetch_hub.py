import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jan_ort.ground.model_errors import CacheError, FetchError
from jan_ort.ground.progress import Progress, silent
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.cache.manifest import find_damage
from jan_ort.models.sources.base import Wanted
from jan_ort.models.sources.fetch_hub import fetch_hub
from jan_ort.models.sources.hub import HubSource
from jan_ort.models.sources.hub_files import HubId, Selection
from jan_ort.serving.loading import LoadingStopped
from jan_ort_backends import Accepts
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.backends.onnxruntime.layout_folders import write_folder
from tests.convert.tiny_bert import write_tiny_bert
from tests.fixtures.image_ggufs import write
from tests.models.sources.fake_hub import FakeHub, running, sha256

FILES = {"tiny.Q8_0.gguf": b"GGUF" + b"x" * 50_000, "tiny.Q2_K.gguf": b"GGUF", "README.md": b"read me"}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running(FakeHub({"org/tiny": FILES})) as hub:
        yield hub


@pytest.fixture
def endpoint(hub: FakeHub) -> str:
    return hub.url


def test_the_best_gguf_of_a_repository_is_fetched_alone(endpoint: str, tmp_path: Path) -> None:
    reports: list[tuple[str, float]] = []

    selection = fetch_hub(
        HubId("org/tiny"), GENERATE, tmp_path, lambda *report: reports.append(report), endpoint=endpoint
    )

    assert selection == Selection("gguf", ("tiny.Q8_0.gguf",))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"tiny.Q8_0.gguf": FILES["tiny.Q8_0.gguf"]}
    assert (reports[0], reports[-1]) == (("Downloading org/tiny", 0.0), ("Downloading org/tiny", 1.0))


def test_a_file_with_another_checksum_than_announced_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    right = sha256(FILES["tiny.Q8_0.gguf"])
    hub.announced["tiny.Q8_0.gguf"] = "1" * 64

    with pytest.raises(FetchError, match=f"has the sha256 {right}, expected {'1' * 64}"):
        fetch_hub(HubId("org/tiny"), GENERATE, tmp_path, silent, endpoint=hub.url)


def test_too_little_disk_space_is_known_before_the_download(hub: FakeHub, tmp_path: Path) -> None:
    hub.announced_bytes["tiny.Q8_0.gguf"] = 10**18

    with pytest.raises(CacheError, match=r"takes 1000000000000 MB to download and \d+ MB are free on .* set JAN_ORT"):
        fetch_hub(HubId("org/tiny"), GENERATE, tmp_path, silent, endpoint=hub.url)

    assert hub.downloads == []


@pytest.mark.parametrize(
    ("repository", "remedy"), [("org/absent", "check the name"), ("org/gated", "accept its terms on its page")]
)
def test_a_repository_that_is_not_to_be_had_says_what_to_do(
    endpoint: str, tmp_path: Path, repository: str, remedy: str
) -> None:
    with pytest.raises(FetchError, match=remedy) as caught:
        fetch_hub(HubId(repository), GENERATE, tmp_path, silent, endpoint=endpoint)

    assert "\n" not in str(caught.value)


REFUSALS = [
    ((401, "", "Invalid credentials in Authorization header"), "answered 401: it does not know the token"),
    ((403, "", "Forbidden: pass a token with the right to read gated ones"), "answered 403: the account whose token"),
    ((429, "", "Too many requests"), "answered 429: it was asked too often"),
    ((500, "", ""), "answered 500: the trouble is on its side"),
    ((404, "RevisionNotFound", ""), r"has no branch, tag or commit 'v9': take one that its page lists"),
]


@pytest.mark.parametrize(("refusal", "remedy"), REFUSALS, ids=lambda each: str(each)[:12])
def test_an_answer_that_refuses_says_what_to_do(
    hub: FakeHub, tmp_path: Path, refusal: tuple[int, str, str], remedy: str
) -> None:
    hub.refusals["org/tiny"] = refusal

    with pytest.raises(FetchError, match=remedy) as caught:
        fetch_hub(HubId("org/tiny", revision="v9"), GENERATE, tmp_path, silent, endpoint=hub.url)

    assert "\n" not in str(caught.value)
    assert hub.downloads == []


@pytest.mark.parametrize(
    ("status", "remedy"), [(403, "answered 403: the account"), (501, "answered 501: the trouble is on its side")]
)
def test_a_refusal_of_a_file_is_told_and_not_that_it_is_not_cached(
    hub: FakeHub, tmp_path: Path, status: int, remedy: str
) -> None:
    hub.refusals["org/tiny/tiny.Q8_0.gguf"] = status, "", ""

    with pytest.raises(FetchError, match=remedy):
        fetch_hub(HubId("org/tiny"), GENERATE, tmp_path, silent, endpoint=hub.url)


@pytest.mark.parametrize("page", [b"<html>Log in</html>", b"{}", b"[]"])
def test_a_page_that_is_no_answer_of_a_hub_is_told(hub: FakeHub, tmp_path: Path, page: bytes) -> None:
    hub.page = page

    with pytest.raises(
        FetchError, match=r"org/tiny: what answers as the hub sends something else .* check HF_ENDPOINT"
    ):
        fetch_hub(HubId("org/tiny"), GENERATE, tmp_path, silent, endpoint=hub.url)


def test_a_hub_that_cannot_be_reached_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"Connect to the network, or pass --model FOLDER\|FILE.gguf") as caught:
        fetch_hub(HubId("org/tiny"), GENERATE, tmp_path, silent, endpoint="http://127.0.0.1:9")

    assert "\n" not in str(caught.value)


EMBEDDER = ["1_Pooling/config.json", "model.safetensors", "modules.json", "onnx/model.onnx", "pytorch_model.bin"]


def test_the_type_of_an_embedder_is_read_before_the_weights_are_fetched(tmp_path: Path) -> None:
    files = dict.fromkeys(EMBEDDER, b"{}") | {"config.json": b'{"model_type": "albert"}'}
    without = {name: content for name, content in files.items() if not name.startswith("onnx/")}
    with running(FakeHub({"org/albert": files, "org/none": without})) as hub:
        selection = fetch_hub(HubId("org/albert"), EMBED, tmp_path / "a", silent, endpoint=hub.url)

        assert (selection.kind, (tmp_path / "a" / "onnx" / "model.onnx").exists()) == ("onnx", True)
        with pytest.raises(FetchError, match=r"type 'albert' is not converted \(only bert, .*\): export it, 'jan-ort"):
            fetch_hub(HubId("org/none"), EMBED, tmp_path / "b", silent, endpoint=hub.url)


STOPS: dict[str, Callable[[FakeHub], bool]] = {
    "before anything is asked": lambda hub: True,
    "between two files": lambda hub: len(hub.downloads) > 1,
    "in a file that does not come": lambda hub: hub.stalled.is_set(),
}


@pytest.mark.parametrize("place", STOPS)
def test_a_stop_ends_the_download_at_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    others = psutil.Process().children()
    embedder = write_tiny_bert(tmp_path / "embedder")
    files = {path.relative_to(embedder).as_posix(): path.read_bytes() for path in embedder.rglob("*") if path.is_file()}
    stops_at: list[float] = []
    with running(FakeHub({"org/tiny": files})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        if "file that" in place:
            hub.stall_after = 1000
            hub.stall.set()

        def stop(stage: str, fraction: float, /) -> None:
            if STOPS[place](hub):
                stops_at.append(time.monotonic())
                raise LoadingStopped

        def pull(progress: Progress) -> Path:
            return HubSource(HubId("org/tiny")).make(Wanted(EMBED), tmp_path / "cache", progress)

        with pytest.raises(LoadingStopped):
            pull(stop)
        took_s = time.monotonic() - stops_at[0]
        left = [path.name for path in (tmp_path / "cache" / "models").iterdir() if path.suffix != ".lock"]
        children = [each for each in psutil.Process().children() if each not in others]
        hub.resume()
        folder = pull(silent)

    assert took_s < 2
    assert (left, children, len(stops_at)) == ([], [], 1)
    assert find_damage(folder) is None


def test_a_download_ends_with_the_process_that_wants_it(hub: FakeHub, tmp_path: Path) -> None:
    hub.stall_after = 1000
    hub.stall.set()
    script = "import sys; from pathlib import Path; from jan_ort.ground.progress import silent; "
    script += "from jan_ort.ground.task import GENERATE; "
    script += "from jan_ort.models.sources.fetch_hub import fetch_hub; "
    script += "from jan_ort.models.sources.hub_files import HubId; "
    script += "fetch_hub(HubId('org/tiny'), GENERATE, Path(sys.argv[1]), silent, endpoint=sys.argv[2])"
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), hub.url])
    assert hub.stalled.wait(60)
    (child,) = psutil.Process(parent.pid).children()

    parent.kill()
    parent.wait()

    gone, alive = psutil.wait_procs([child], timeout=10)
    assert (gone, alive) == ([child], [])


def test_a_download_whose_process_is_killed_is_one_error(hub: FakeHub, tmp_path: Path) -> None:
    hub.stall_after = 1000
    hub.stall.set()

    others = psutil.Process().children()  # servers of a whole session may be among them

    def kill(stage: str, fraction: float, /) -> None:
        if hub.stalled.is_set():
            for child in set(psutil.Process().children()).difference(others):
                child.kill()

    with pytest.raises(FetchError, match=r"org/tiny could not be downloaded from the hub \(its process ended with"):
        fetch_hub(HubId("org/tiny"), GENERATE, tmp_path, kill, endpoint=hub.url)


NAMED = ("HuggingFaceTB/SmolVLM-256M-Instruct", "onnx-community/Qwen2-VL-2B-Instruct", "onnx-community/gemma-3-4b-it")
TRIO = {
    **{f"onnx/{part}_q4.onnx": b"a graph" for part in ("vision_encoder", "embed_tokens", "decoder_model_merged")},
    **dict.fromkeys(("config.json", "tokenizer.json", "preprocessor_config.json"), b"{}"),
}


@pytest.mark.parametrize("repository", NAMED)
@pytest.mark.parametrize("missing", TRIO)
def test_a_file_that_a_repository_of_images_lacks_is_named_and_nothing_fetched(
    repository: str, missing: str, tmp_path: Path
) -> None:
    files = {name: content for name, content in TRIO.items() if name != missing}
    named = missing.replace("_q4", "").replace(".", r"\.")

    with running(FakeHub({repository: files})) as hub, pytest.raises(FetchError, match=f"{repository} .*{named}"):
        fetch_hub(HubId(repository), GENERATE, tmp_path, silent, endpoint=hub.url)

    assert hub.downloads == []


def test_a_model_is_converted_with_the_mmproj_file_of_its_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, mmproj = write("idefics3", tmp_path)
    files = {"Q8/m-F16.gguf": model.read_bytes(), "mmproj-m-F16.gguf": mmproj.read_bytes()}

    with running(FakeHub({"org/reads": files})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        folder = HubSource(HubId("org/reads")).make(Wanted(GENERATE), tmp_path / "cache")

    assert {path.name for path in folder.glob("*.onnx")} == {
        "vision_encoder.onnx",
        "embed_tokens.onnx",
        "decoder_model_merged.onnx",
    }


def test_a_package_in_a_folder_of_its_repository_becomes_a_model_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write_folder("genai", "llama", tmp_path / "package")
    files = {f"cpu/int4/{path.name}": path.read_bytes() for path in package.iterdir()} | {"gpu/genai_config.json": b""}

    with running(FakeHub({"org/phi": files | {"gpu/model.onnx": b""}})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        folder = HubSource(HubId("org/phi")).make(Wanted(GENERATE), tmp_path / "cache")

    assert {path.name for path in package.iterdir()} < {path.name for path in folder.iterdir()}
    assert isinstance(OnnxRuntimeBackend().accepts(folder), Accepts)
