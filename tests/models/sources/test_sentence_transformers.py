"""A folder of a model that embeds is checked by its small files and headers before anything is made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from jan_ort.ground.model_errors import ConversionError
from jan_ort.ground.task import EMBED
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, Wanted
from tests.fixtures import encoder_models


def invent_a_key(source: Path) -> None:
    config = json.loads((source / "config.json").read_text()) | {"adapters": 4}
    (source / "config.json").write_text(json.dumps(config))


def cut_the_weights(source: Path) -> None:
    path = source / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


def say_nothing_of_pooling(source: Path) -> None:
    (source / "modules.json").unlink()
    (source / "1_Pooling" / "config.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (invent_a_key, "adapters is '4'"),
        (cut_the_weights, "truncated or damaged"),
        (say_nothing_of_pooling, "--pooling"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_is_told_before_anything_is_made(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    source = encoder_models.write("bert", tmp_path)
    damage(source)
    found = find_source(str(source), Known(), task=EMBED)

    with pytest.raises(ConversionError, match=message):
        found.check(Wanted(EMBED))
