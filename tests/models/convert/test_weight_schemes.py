"""The table of weight schemes is what the settings, the resolver and the folders go by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from jan_ort.models.convert.weight_schemes import SCHEMES, Weights
from jan_ort.models.reference import AS_IS, WEIGHTS
from jan_ort.models.resolve import resolve_model
from jan_ort.settings import Settings
from tests.models.convert.tiny_llama import TinyLlama


def test_every_scheme_can_be_chosen_and_no_other() -> None:
    assert get_args(Weights) == tuple(SCHEMES)
    assert (*SCHEMES, AS_IS) == WEIGHTS == get_args(Settings.model_fields["weights"].annotation)


@pytest.mark.parametrize("weights", list(SCHEMES))
def test_a_resolved_folder_says_how_its_weights_are_written(weights: Weights, tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")

    folder = resolve_model(str(source), task="generate", cache_dir=tmp_path / "cache", weights=weights)

    assert json.loads((folder / "jan_ort.json").read_text())["weights"] == SCHEMES[weights].written_as
