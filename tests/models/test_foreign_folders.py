"""What the server reads of a folder that jan-ort did not write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.folder import ModelFolder
from tests.backends.onnxruntime.layout_folders import write_folder


def test_a_bare_folder_generates_with_a_usual_context_length(tmp_path: Path) -> None:
    folder = ModelFolder.read(write_folder("bare", "llama", tmp_path / "folder"))

    assert (folder.task, folder.context_length) == (GENERATE, 2048)
    assert (folder.eos_token_ids, folder.bos_token_id, folder.chat_template) == ((), None, None)


def test_a_genai_folder_needs_no_other_configuration(tmp_path: Path) -> None:
    path = write_folder("genai", "qwen3", tmp_path / "folder")
    (path / "tokenizer_config.json").unlink()

    folder = ModelFolder.read(path)

    assert (folder.task, folder.context_length) == (GENERATE, 128)
    assert (folder.eos_token_ids, folder.bos_token_id) == ((257,), 256)


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("XLMRobertaModel", EMBED),
        ("BertModel", EMBED),
        ("GPT2LMHeadModel", GENERATE),
        ("LlamaForCausalLM", GENERATE),
    ],
)
def test_the_task_follows_the_architecture(tmp_path: Path, architecture: str, task: str) -> None:
    path = write_folder("optimum", "gpt2", tmp_path / "folder")
    config = json.loads((path / "config.json").read_text()) | {"architectures": [architecture]}
    (path / "config.json").write_text(json.dumps(config))

    assert ModelFolder.read(path).task == task


def test_a_graph_without_a_tokenizer_is_told_what_it_lacks(tmp_path: Path) -> None:
    path = write_folder("bare", "llama", tmp_path / "folder")
    (path / "tokenizer.json").unlink()

    with pytest.raises(ModelFolderError, match=r"it lacks tokenizer\.json"):
        ModelFolder.read(path)


def test_a_snapshot_in_the_hub_s_cache_has_its_repository_s_name(tmp_path: Path) -> None:
    hub = tmp_path / "models--org--tiny-llama" / "snapshots"
    hub.mkdir(parents=True)

    folder = ModelFolder.read(write_folder("optimum", "llama", hub / "0123abc"))

    assert folder.name == "tiny-llama"
