import re
import shutil
from pathlib import Path

import pytest

from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.sources.catalog import CATALOG, DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDING_MODEL, CatalogModel
from jan_ort.models.sources.index import IndexSource
from jan_ort_backends.reference_tokenizer import FOLDER


def test_the_defaults_are_known_and_for_their_tasks() -> None:
    assert CATALOG[DEFAULT_CHAT_MODEL].task == GENERATE
    assert CATALOG[DEFAULT_EMBEDDING_MODEL].task == EMBED


def test_the_catalogues_sampling_is_recommended_where_the_folder_says_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    source = IndexSource(CATALOG[DEFAULT_CHAT_MODEL])

    before = source.read(folder).sampling
    (folder / "generation_config.json").write_text('{"temperature": 0.5}')

    assert before == CATALOG[DEFAULT_CHAT_MODEL].sampling != {}
    assert source.read(folder).sampling == {"temperature": 0.5}


@pytest.mark.parametrize("model", CATALOG.values(), ids=lambda model: model.name)
def test_every_file_is_pinned_by_a_sha256(model: CatalogModel) -> None:
    digests = [model.source.wheel_sha256, *model.source.members.values()]

    assert len(digests) > 1
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)
    assert len(set(digests)) == len(digests)
