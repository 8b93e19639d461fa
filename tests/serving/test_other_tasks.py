"""A model that does something else than its folder says is refused when it is opened, not at each request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.ground.task import EMBED, GENERATE, Task
from jan_ort.serving.served_model import open_session
from jan_ort.settings.schema import Settings
from jan_ort_onnxruntime import backend
from tests.backends.onnxruntime.layout_folders import write_embedding_folder, write_folder
from tests.serving.scoring_graph import write_scoring_graph


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (GENERATE, "cannot generate: it gives vectors or scores; name it with --embedding-model"),
        (EMBED, "cannot embed: it gives tokens; name it with --model"),
    ],
)
def test_another_task_than_the_graphs_is_refused(tmp_path: Path, task: Task, told: str) -> None:
    folder = tmp_path / "folder"
    if task == EMBED:
        write_folder("optimum", "llama", folder)
    else:
        write_embedding_folder(folder)
        (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 64, "vocab_size": 300}))

    with pytest.raises(ModelFolderError, match=told):
        open_session(folder, backend, Settings(), task)


def test_a_graph_that_scores_is_not_taken_for_one_that_embeds(tmp_path: Path) -> None:
    folder = write_embedding_folder(tmp_path / "folder")
    write_scoring_graph(folder / "onnx" / "model.onnx")

    with pytest.raises(ModelFolderError, match="it gives one number, as models that score pairs of texts do"):
        open_session(folder, backend, Settings(), EMBED)
