"""``jan-ort models``: what is cached, fetching, converting and removing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from jan_ort.ground.task import EMBED
from jan_ort.models.cache.model_use import ModelUse
from jan_ort.models.folder import ModelFolder
from tests.cli.commands.running import cache_model, last_error, run
from tests.convert.tiny_bert import write_tiny_bert
from tests.convert.tiny_llama import TinyLlama


def listed() -> dict[str, Any]:
    result = run("models", "list", "--json")
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def test_an_empty_cache_lists_the_known_names(own_cache: Path) -> None:
    content = listed()

    assert content["cached"] == []
    assert content["known"] == [
        {"name": "smollm2-135m-instruct", "task": "generate", "cached": False},
        {"name": "all-minilm-l6-v2", "task": "embed", "cached": False},
    ]
    assert str(own_cache) in run("models", "list").stdout
    assert not own_cache.exists()


def test_a_cached_model_is_listed_with_all_that_is_known_of_it(own_cache: Path) -> None:
    folder = cache_model(own_cache, "smollm2-135m-instruct", "int4")

    content = listed()

    (model,) = content["cached"]
    assert (model["name"], model["task"], model["weights"]) == ("smollm2-135m-instruct", "generate", "int4")
    assert model["folder"] == str(folder)
    assert model["size_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert (model["damage"], model["is_current"]) == (None, True)
    assert [known["cached"] for known in content["known"]] == [True, False]


def test_a_damaged_model_is_listed_as_such(own_cache: Path) -> None:
    folder = cache_model(own_cache, "smollm2-135m-instruct")
    (folder / "tokenizer.json").unlink()

    content = listed()

    assert content["cached"][0]["damage"] == "tokenizer.json is missing"
    assert content["known"][0]["cached"] is False
    assert "damaged: tokenizer.json is missing" in run("models", "list").stdout


def test_removing_takes_the_folder_away_and_nothing_else(own_cache: Path) -> None:
    gone, kept = cache_model(own_cache, "mine"), cache_model(own_cache, "other")

    result = run("models", "remove", "mine", "--yes")

    assert result.exit_code == 0
    assert not gone.exists()
    assert kept.exists()
    assert not list(own_cache.rglob(".tmp-*"))


@pytest.mark.parametrize(("answer", "is_removed"), [("y\n", True), ("n\n", False), ("", False)])
def test_removing_asks_first(own_cache: Path, answer: str, is_removed: bool) -> None:
    folder = cache_model(own_cache, "mine")

    result = run("models", "remove", "mine", stdin=answer)

    assert folder.exists() is not is_removed
    assert (result.exit_code == 0) is is_removed


@pytest.mark.parametrize(
    ("arguments", "needles"),
    [
        (["mien"], ["'mien'", "did you mean 'mine'"]),
        (["zzz"], ["'zzz'", "mine, twice"]),
        (["twice"], ["2 cached models", "twice-int4-", "twice-int8-"]),
        (["mine", "--weights", "int4"], ["'mine' with int4 weights"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_is_not_one_cached_model_is_not_removed(own_cache: Path, arguments: list[str], needles: list[str]) -> None:
    folders = [cache_model(own_cache, "mine"), *(cache_model(own_cache, "twice", each) for each in ("int4", "int8"))]

    result = run("models", "remove", "--yes", *arguments)

    assert result.exit_code == 1
    assert [needle for needle in needles if needle not in last_error(result)] == []
    assert all(folder.exists() for folder in folders)


def test_one_of_two_is_removed_by_its_weights(own_cache: Path) -> None:
    folders = {weights: cache_model(own_cache, "twice", weights) for weights in ("int4", "int8")}

    result = run("models", "remove", "twice", "--weights", "int4", "--yes")

    assert result.exit_code == 0
    assert {weights for weights, folder in folders.items() if folder.exists()} == {"int8"}


def test_a_model_in_use_is_not_removed(own_cache: Path) -> None:
    folder = cache_model(own_cache, "mine")
    use = ModelUse(folder)

    refused = run("models", "remove", "mine", "--yes")
    use.close()
    allowed = run("models", "remove", "mine", "--yes")

    assert refused.exit_code == 1
    assert "in use by process" in last_error(refused)
    assert allowed.exit_code == 0
    assert not folder.exists()


def test_the_mark_of_a_process_that_has_ended_holds_nothing(own_cache: Path) -> None:
    folder = cache_model(own_cache, "mine")
    mark = folder.with_name(f".{folder.name}.use-1-00000000")
    mark.touch()

    result = run("models", "remove", "mine", "--yes")

    assert result.exit_code == 0
    assert not mark.exists()


def test_a_model_that_is_being_made_is_not_removed(own_cache: Path) -> None:
    folder = cache_model(own_cache, "mine")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        result = run("models", "remove", "mine", "--yes")

    assert result.exit_code == 1
    assert "another process is making" in last_error(result)
    assert folder.exists()


def test_a_gguf_file_is_converted_into_a_named_folder(own_cache: Path, tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")
    output = tmp_path / "out" / "tiny"

    result = run("models", "convert", str(source), "--output", str(output), "--weights", "int4")

    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(output)
    assert ModelFolder.read(output).name == "tiny"
    assert json.loads((output / "jan_ort.json").read_text())["weights"] == "int4-cat"
    assert [path.name for path in output.parent.iterdir()] == ["tiny"]
    assert not own_cache.exists()


def test_a_gguf_file_is_converted_into_the_cache(own_cache: Path, tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")

    result = run("models", "convert", str(source))

    assert result.exit_code == 0, result.output
    (model,) = listed()["cached"]
    assert result.stdout.strip() == model["folder"]
    assert (model["name"], model["weights"], model["source"]) == ("tiny", "int8", "tiny.gguf")


def test_a_sentence_transformers_folder_is_converted(tmp_path: Path) -> None:
    source = write_tiny_bert(tmp_path / "embedder")

    result = run("models", "convert", str(source), "--output", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert ModelFolder.read(tmp_path / "out").task == EMBED


def test_an_output_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("mine")

    result = run("models", "convert", str(source), "--output", str(tmp_path / "out"))

    assert result.exit_code == 1
    assert str(tmp_path / "out") in last_error(result)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["diary.txt"]


@pytest.mark.parametrize(
    ("name", "content", "needle"),
    [
        ("missing.gguf", None, "does not exist"),
        ("bad.gguf", b"nonsense", "not a GGUF"),
        ("short.gguf", b"GGUF", "short"),
    ],
)
def test_a_source_that_cannot_be_converted_leaves_nothing(
    tmp_path: Path, name: str, content: bytes | None, needle: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    result = run("models", "convert", str(tmp_path / name), "--output", str(tmp_path / "out"))

    assert result.exit_code == 1
    assert needle in last_error(result)
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["smollm3"], "did you mean 'smollm2-135m-instruct'"),
        (["."], "holds no model"),
        (["smollm2-135m-instruct", "--task", "embed"], "generates text"),
        (["smollm2-135m-instruct", "--weights", "int2"], "int2"),
    ],
)
def test_a_name_that_cannot_be_fetched_is_refused_before_any_work(
    own_cache: Path, arguments: list[str], needle: str
) -> None:
    result = run("models", "pull", *arguments)

    assert result.exit_code in (1, 2)
    assert needle in last_error(result)
    assert not own_cache.exists()


def test_a_model_of_this_machine_is_not_fetched(tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")

    result = run("models", "pull", str(source))

    assert result.exit_code == 1
    assert "jan-ort models convert" in last_error(result)


@pytest.mark.weights
def test_pulling_writes_the_path_of_the_folder(smollm2_folder: Path) -> None:
    cache_dir = smollm2_folder.parents[1]

    result = run("models", "pull", "smollm2-135m-instruct", "--cache-dir", str(cache_dir))

    assert result.exit_code == 0
    assert result.stdout.strip() == str(smollm2_folder)
